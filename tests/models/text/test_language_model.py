"""CausalLM against NumPy: padding, packed documents, causality, training and saving."""

import warnings

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras._internal import keras_private
from sparse_keras.layers import (
    FeedForward,
    GroupedQueryAttention,
    RotaryEmbedding,
    TransformerBlock,
)
from sparse_keras.models import CausalLM
from sparse_keras.models.cost import active_params, flops_per_example, total_params
from tests.models.text.language_models import KINDS, VOCABULARY, make, reference, sentences
from tests.support.gradients import to_numpy

MASK = np.array([[True] * 7, [True] * 4 + [False] * 3, [False] * 2 + [True] * 5])
DOCUMENTS = np.array([[0, 0, 0, 0, 0, 0, 0], [5, 5, 2, 2, 2, 7, 7], [0, 1, 1, 1, 2, 2, 2]])
CROSS_ENTROPY = {"from_logits": True}


def close(found, expected):
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_against_numpy(kind):
    model = make(kind, embedding_multiplier=1.5, residual_multiplier=0.5, logits_scaling=2.0)
    x = sentences()
    found = model(x)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    close(found, reference(model, x, kind))


@pytest.mark.parametrize("kind", ["mixture", "learned positions", "sliding window"])
def test_padding_and_documents_against_numpy(kind):
    model, x = make(kind), sentences()
    positions = np.array(
        [range(7), [0, 1, 0, 1, 2, 0, 0], [0, 0, 0, 1, 0, 1, 2]]
    )  # Padding does not count: the third row starts after two of it.
    found = to_numpy(model({"token_ids": x, "segment_ids": DOCUMENTS, "mask": MASK}))
    expected = reference(model, x, kind, MASK, positions, DOCUMENTS)
    close(found[MASK], expected[MASK])
    positions = np.array([range(7), range(7), [0, 0, 0, 1, 2, 3, 4]])
    close(to_numpy(model(x, mask=MASK))[MASK], reference(model, x, kind, MASK, positions)[MASK])


@pytest.mark.parametrize("kind", ["mixture", "learned positions"])
def test_packed_documents_are_as_if_alone(kind):
    model, x = make(kind), sentences()
    packed = to_numpy(model({"token_ids": x, "segment_ids": DOCUMENTS}))
    for row, numbers in enumerate(DOCUMENTS):
        for number in set(numbers):
            document = numbers == number
            close(packed[row : row + 1, document], to_numpy(model(x[row : row + 1, document])))


@pytest.mark.parametrize("kind", KINDS)
def test_causality(kind):
    model, x = make(kind), sentences()
    other = x.copy()
    other[:, 4] = (x[:, 4] + 1) % VOCABULARY
    before, after = to_numpy(model(x)), to_numpy(model(other))
    np.testing.assert_allclose(before[:, :4], after[:, :4], rtol=1e-5, atol=1e-5)
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1e-3


def compiled(kind="mixture", **options):
    model = make(kind, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(**CROSS_ENTROPY, ignore_class=-100)
    metric = sparse_keras.tasks.Perplexity(ignore_class=-100)
    model.compile(keras.optimizers.Adam(0.04), loss, weighted_metrics=[metric])
    return model


def test_padding_does_not_change_the_loss(eager_functions):
    """Left or right of the text, by id, mask, label or weight; and it is not routed."""
    model = compiled(padding_id=0)
    unpadded = sentences(1, 5)
    labels = sentences(1, 5, seed=1)
    expected = model.evaluate(unpadded, labels, verbose=0)
    filler = np.full((1, 3), 9)
    right = np.concatenate([unpadded, filler], axis=1), np.concatenate([labels, filler], axis=1)
    left = np.concatenate([filler, unpadded], axis=1), np.concatenate([filler, labels], axis=1)
    mask = np.array([[1] * 5 + [0] * 3], "bool")
    cases = [
        model.evaluate({"token_ids": right[0], "mask": mask}, right[1], verbose=0),
        model.evaluate({"token_ids": left[0], "mask": mask[:, ::-1]}, left[1], verbose=0),
        model.evaluate(np.where(mask, right[0], 0), right[1], verbose=0),
        model.evaluate(np.where(mask, right[0], 0), np.where(mask, right[1], -100), verbose=0),
        model.evaluate(right[0], np.where(mask, right[1], -100), verbose=0),
    ]
    for found in cases:
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(expected[1], np.exp(expected[0]), rtol=1e-4)
    # Keras divides a sum with weights by the number of labels.
    loss, perplexity = model.evaluate(*right, sample_weight=mask.astype("float32"), verbose=0)
    np.testing.assert_allclose(perplexity, expected[1], rtol=1e-4)

    layer = model.blocks[0].feed_forward
    layer.reset_statistics()
    model(right[0], mask=mask, training=True)
    assert layer.routing_statistics()["assigned"] == 2 * 5


def test_fit_learns_to_repeat():
    """Every text is four tokens, twice: the second time, they can be known."""
    words = np.random.default_rng(0).integers(1, VOCABULARY, size=(64, 4))
    texts = np.concatenate([words, words], axis=1)
    x, y = texts[:, :-1], texts[:, 1:].copy()
    y[:, :3] = -100
    model = compiled(random=False)
    callbacks = [sparse_keras.callbacks.ExpertLoad()]
    logs = model.fit(x, y, batch_size=64, epochs=25, verbose=0, callbacks=callbacks).history
    assert logs["task_loss"][0] > 2.5 and logs["task_loss"][-1] < 1.5
    assert logs["aux_loss"][-1] >= 2 * 0.1 * 0.9
    np.testing.assert_allclose(
        logs["loss"][-1] - logs["task_loss"][-1], logs["aux_loss"][-1], rtol=1e-3
    )
    statistics = model.blocks[1].feed_forward.routing_statistics()
    assert statistics["assigned"] == 2 * x.size


def test_inspect():
    model, x = make("mixture", padding_id=0), sentences()
    x[0, 3:] = 0
    gates = sparse_keras.inspect(model, x, labels=x).gates
    assert [gate.tokens for gate in gates] == [17, 17]


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.parametrize("kind", ["every other, shared", "latent", "learned positions"])
def test_saving(tmp_path, kind):
    model, x = make(kind), sentences()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))
    found, expected = loaded.get_config(), model.get_config()
    assert {**found, "blocks": 0} == {**expected, "blocks": 0}


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    model, x = make("mixture", padding_id=0), sentences()
    logits = model(x, training=True)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert np.isfinite(to_numpy(logits)).all()
    assert keras.backend.standardize_dtype(model.losses[0].dtype) == "float32"


def test_as_a_layer():
    """In a functional model, the mask reaches its end."""
    model, x = make("mixture", padding_id=0), sentences()
    inputs = keras.Input((None,), dtype="int32")
    outer = keras.Model(inputs, keras.layers.Activation("softmax")(model(inputs)))
    x[0, 3:] = 0
    found = outer(x)
    np.testing.assert_array_equal(to_numpy(keras_private.mask_of(found)), x != 0)
    close(found, keras.ops.convert_to_numpy(keras.ops.softmax(model(x))))


def test_masks_raise_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("dense", padding_id=0)(sentences())


def test_parameters():
    model = make("mixture")
    # Two of four experts are used: GLUs of three matrices of 16 x 5, in two blocks.
    assert total_params(model) - active_params(model) == 2 * 2 * 3 * 16 * 5


def test_flops():
    model = make("mixture")
    blocks = sum(block.flops_per_example((None, 7, 16)) for block in model.blocks)
    expected = blocks + 2 * 7 * 16 * VOCABULARY
    assert model.flops_per_example((None, 7)) == expected
    inputs = keras.Input((7,), dtype="int32")
    assert flops_per_example(keras.Model(inputs, model(inputs))) == expected
    with pytest.raises(ValueError, match="depends on the length of the text"):
        flops_per_example(model)


def block(**options):
    attention = GroupedQueryAttention(2, rotary=RotaryEmbedding(), **options)
    return TransformerBlock(attention, FeedForward(3))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"blocks": []}, "at least one TransformerBlock"),
        ({"blocks": [FeedForward(3)]}, "`blocks` must be TransformerBlocks"),
        ({"blocks": [block(causal=False)]}, "must not see later tokens"),
        ({"blocks": [block()] * 2}, "each one once"),
        ({"norm": "batch"}, "`norm` must be one of"),
        ({"padding_id": 5}, "`padding_id` must be less than"),
        ({"learned_positions": True}, "needs `context_length`"),
        ({"logits_scaling": 0}, "`logits_scaling`"),
    ],
)
def test_errors_of_arguments(change, words):
    arguments = {"vocabulary_size": 5, "width": 8, "blocks": [block()]} | change
    with pytest.raises(ValueError, match=words):
        CausalLM(**arguments)


def test_errors_of_calls():
    model = make("learned positions", context_length=6)
    with pytest.raises(ValueError, match="context of 'causal_lm' is 6 tokens.*of 7 tokens"):
        model(sentences())
    with pytest.raises(ValueError, match="Did you mean 'segment_ids'"):
        model({"token_ids": sentences(), "segment_id": DOCUMENTS})
    with pytest.raises(ValueError, match="`token_ids` must be integers"):
        model(sentences().astype("float32"))


def test_costs_of_layers():
    model = make("mixture")
    costs = sparse_keras.models.layer_costs(model, length=6)
    assert sum(cost.flops for cost in costs) == model.flops_per_example((None, 6))
    assert all(cost.flops > 0 for cost in costs if cost.type == "TransformerBlock")
    assert sum(cost.params for cost in costs) == sparse_keras.models.total_params(model)
    head = costs[0]
    assert head.flops == 2 * 6 * model.width * model.vocabulary_size
    assert head.output_shapes == ((None, 6, model.width), (None, 6, model.vocabulary_size))
