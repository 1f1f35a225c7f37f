import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras import layers
from sparse_keras.models import causal_lm
from tests.compression.models import (
    RNG,
    assert_close,
    assert_equal,
    language_model,
    model_of,
    randomized,
    rows,
    to_numpy,
)

pytestmark = pytest.mark.usefixtures("eager_module")


@pytest.mark.parametrize("how", ["concatenate", "merge"])
def test_a_student_of_an_upcycled_model_is_the_dense_one(how):
    dense = randomized(
        causal_lm(vocabulary_size=20, depth=2, width=8, num_heads=2, hidden_dim=6, use_bias=True)
    )
    ids = RNG.integers(0, 20, (5, 7))
    student, summary = sparse_keras.dense_student(sparse_keras.upcycle(dense, 4), ids, how)
    assert student.blocks[0].feed_forward.hidden_dim == {"concatenate": 12, "merge": 6}[how]
    assert type(student.blocks[1].feed_forward) is layers.FeedForward
    assert_close(student(ids), dense(ids), rtol=1e-4, atol=1e-4)
    assert [change.after for change in summary.mixtures] == [0, 0]


def test_all_experts_together_with_constant_weights_are_the_mixture():
    model = model_of(layers.MLPExperts(3, hidden_dim=4, output_dim=2), k=None, router="uniform")
    x = rows()
    student, _ = sparse_keras.dense_student(model, x)
    assert student.layers[0].get_layer("up").units == 12
    assert_close(student(x), model(x), rtol=1e-4, atol=1e-5)


def test_the_shared_expert_is_part_of_the_student():
    model = language_model(shared_expert={"hidden_dim": 3})
    student, _ = sparse_keras.dense_student(model, RNG.integers(0, 20, (5, 7)))
    assert student.blocks[0].feed_forward.hidden_dim == 2 * 4 + 3
    shared = model.blocks[0].feed_forward.shared_expert
    kernel = to_numpy(student.blocks[0].feed_forward.gate.kernel)
    assert_equal(kernel[:, 8:], shared.gate.kernel)


def test_students_learn_from_their_teachers():
    model, ids = language_model(depth=1), RNG.integers(0, 20, (4, 6))
    student, _ = sparse_keras.dense_student(model, ids, num_experts=1)
    distiller = sparse_keras.distill(model, student, student_loss_weight=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.Adam(0.02), loss, run_eagerly=True)
    before = np.abs(to_numpy(student(ids)) - to_numpy(model(ids))).mean()
    history = distiller.fit(ids, np.roll(ids, -1, axis=1), epochs=12, verbose=0).history
    assert history["distillation_loss"][-1] < 0.7 * history["distillation_loss"][0]
    assert np.abs(to_numpy(student(ids)) - to_numpy(model(ids))).mean() < before


def test_losses_of_the_outputs():
    teacher, student = keras.Sequential([keras.Input((3,))]), keras.Sequential([keras.Input((3,))])
    p, q = np.float32([[0.2, 0.3, 0.5]]), np.float32([[0.1, 0.6, 0.3]])

    def loss(**options):
        (found,) = sparse_keras.distill(teacher, student, **options).distillation_losses
        config = keras.saving.serialize_keras_object(found)
        return float(keras.saving.deserialize_keras_object(config).compute_loss(p, q))

    kl = float((p * np.log(p / q)).sum())
    assert loss(outputs="probabilities", temperature=1.0) == pytest.approx(kl, rel=1e-4)
    assert loss(outputs="values") == pytest.approx(((p - q) ** 2).mean(), rel=1e-4)
    e, f = (np.exp(values / 2) / np.exp(values / 2).sum() for values in (p, q))
    assert loss(temperature=2.0) == pytest.approx(4 * float((e * np.log(e / f)).sum()), rel=1e-3)


def test_errors():
    x = rows()
    for bank, message in (
        (layers.DenseExperts(4, units=3), "MLPExperts and GLUExperts"),
        (layers.GLUExperts(4, hidden_dim=3, limit=7.0), "limit"),
        (layers.GLUExperts(4, hidden_dim=3, output_dim=2), "no dense layer with a gate"),
    ):
        with pytest.raises(ValueError, match=message):
            sparse_keras.dense_student(model_of(bank), x)
    model = model_of(layers.MLPExperts(4, hidden_dim=3), shared_expert=keras.layers.Dense(5))
    for arguments, message in (
        ({}, "shared expert"),
        ({"how": "sum"}, "how"),
        ({"how": "merge", "num_experts": 2}, "all experts are merged"),
        ({"num_experts": 5}, "has 4 experts"),
    ):
        with pytest.raises(ValueError, match=message):
            sparse_keras.dense_student(model, x, **arguments)
