"""The classifier of texts: padding, pooling, options, costs, saving and its section."""

import keras
import numpy as np
import pytest

from sparse_keras.data import TableInputs, TextInputs
from sparse_keras.layers import FeedForward, MixtureOfExperts
from sparse_keras.models import active_params, flops_per_example, text_classifier, total_params
from sparse_keras.models.text.pooling import pooled
from sparse_keras.schema.sections.text.models import CausalLM, TextClassifier
from sparse_keras.tasks import Binary, Multiclass, NextToken
from tests.layers.transformer.attention_reference import randomize
from tests.support.gradients import to_numpy

SPARSE = {
    "experts": {"type": "glu", "num_experts": 4, "hidden_dim": 5},
    "router": {"type": "top_k", "k": 2, "balance_loss": 0.1},
}


def make(random=True, task=None, **options):
    options = {"depth": 1, "width": 16, "num_heads": 2, **SPARSE} | options
    task = Multiclass("topic", ("a", "b", "c")) if task is None else task
    model = text_classifier(inputs=TextInputs(30, 12), task=task, **options)
    if random:
        randomize(model)
    return model


def texts(lengths=(4, 7, 1), size=None, seed=0):
    """Encoded texts of some lengths, padded to a size with tokens that must not count."""
    random = np.random.default_rng(seed)
    token_ids = random.integers(1, 30, (len(lengths), 7)).astype("int32")
    padding = random.integers(1, 30, (len(lengths), (size or 7) - 7)).astype("int32")
    mask = np.arange(size or 7) < np.array(lengths)[:, None]
    return {"token_ids": np.concatenate([token_ids, padding], axis=1), "mask": mask}


KINDS = {
    "mean": {},
    "attention": {"pooling": "attention", "average_embeddings": True},
    "max": {"pooling": "max"},
    "first": {"pooling": "first"},
    "bag of words": {"average_embeddings": True},
    "learned positions": {"rotary": False, "learned_positions": True},
    "post norm": {"norm_placement": "post", "norm": "layer"},
    "dense and sparse": {"depth": 2, "every": 2, "hidden_dim": 6},
    "capacity": {"capacity_factor": 1.0, "eval_capacity_factor": 1.0},
    "latent": {
        "attention": {
            "type": "latent",
            "kv_lora_rank": 6,
            "qk_nope_head_dim": 3,
            "qk_rope_head_dim": 4,
            "v_head_dim": 5,
        }
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    model = make(**KINDS[kind])
    expected = to_numpy(model(texts()))
    assert expected.shape == (3, 3)
    np.testing.assert_allclose(to_numpy(model(texts(size=11))), expected, rtol=1e-4, atol=1e-6)
    if kind == "capacity":  # There, texts in a batch compete for experts.
        return
    one = {name: array[:1, :4] for name, array in texts().items()}
    np.testing.assert_allclose(to_numpy(model(one)), expected[:1], rtol=1e-4, atol=1e-6)


def test_padding_changes_no_loss():
    """Neither that of the labels nor that of the router."""
    model = make(random=True)
    model.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    y = np.array([0, 1, 2])
    losses = [model.test_on_batch(texts(size=size), y) for size in (7, 11)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    model(texts(), training=True)
    auxiliary = [to_numpy(loss) for loss in model.losses]
    model(texts(size=11), training=True)
    np.testing.assert_allclose([to_numpy(loss) for loss in model.losses], auxiliary, rtol=1e-5)


def test_tokens_see_later_ones():
    model = make(pooling="first")
    x = texts((7,))
    before = to_numpy(model(x))
    x["token_ids"][0, 6] += 1
    assert np.abs(to_numpy(model(x)) - before).max() > 1e-5


def test_the_order_of_words_matters_but_to_a_bag():
    x = texts((7,))
    turned = {**x, "token_ids": x["token_ids"][:, ::-1].copy()}
    model = make()
    assert np.abs(to_numpy(model(x)) - to_numpy(model(turned))).max() > 1e-5
    model = make(rotary=False)
    np.testing.assert_allclose(to_numpy(model(x)), to_numpy(model(turned)), rtol=1e-4, atol=1e-6)


def test_pooling():
    x = np.array([[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]]], "float32")
    mask = np.array([[True, True, False]])
    expected = {"mean": [2.0, -3.0], "max": [3.0, -2.0], "first": [1.0, -4.0]}
    expected["attention"] = expected["mean"]  # All scores are 0 at first.
    for pooling, values in expected.items():
        np.testing.assert_allclose(to_numpy(pooled(x, mask, pooling))[0], values)
    x[0, 2] = np.nan
    for pooling in ("mean", "attention", "max"):
        np.testing.assert_allclose(to_numpy(pooled(x, mask, pooling))[0], expected[pooling])
        nothing = pooled(x, np.zeros((1, 3), bool), pooling)
        np.testing.assert_array_equal(to_numpy(nothing), [[0.0, 0.0]])
    with pytest.raises(ValueError, match="`pooling` must be"):
        pooled(x, mask, "last")


def test_attention_pooling_weighs_tokens_by_their_scores():
    inputs, mask = keras.Input((3, 2)), keras.Input((3,), dtype="bool")
    model = keras.Model([inputs, mask], pooled(inputs, mask, "attention"))
    model.get_layer("pooling").set_weights([np.array([[1.0], [0.0]])])
    x = np.array([[[np.log(3.0), 0.0], [0.0, 8.0], [5.0, 5.0]]], "float32")
    outputs = to_numpy(model([x, np.array([[True, True, False]])]))
    # The softmax of the scores log 3 and 0 is 3/4 and 1/4.
    np.testing.assert_allclose(outputs, [[0.75 * np.log(3.0), 2.0]], rtol=1e-6)
    high = np.array([[[1e4, 1.0], [0.0, 2.0], [0.0, 0.0]]], "float32")
    outputs = to_numpy(model([high, np.array([[True, True, False]])]))
    np.testing.assert_allclose(outputs, [[1e4, 1.0]])


def test_heads():
    assert make(task=Binary("spam"))(texts()).shape == (3, 1)
    np.testing.assert_allclose(to_numpy(make()(texts())).sum(axis=1), 1.0, rtol=1e-5)


def test_word_dropout_drops_whole_tokens_in_training():
    model = make(word_dropout=0.5)
    layer = model.get_layer("word_dropout")
    x = to_numpy(layer(np.ones((4, 50, 6), "float32"), training=True))
    assert set(x.reshape(-1).tolist()) == {0.0, 2.0}
    assert np.ptp(x, axis=-1).max() == 0
    rate = (x == 0).mean()
    assert 0.3 < rate < 0.7
    np.testing.assert_array_equal(to_numpy(layer(np.ones((1, 5, 6), "float32"))), 1.0)


def test_which_blocks_are_sparse():
    model = make(random=False, depth=3, every=2, hidden_dim=6)
    blocks = [model.get_layer(f"block_{number}") for number in range(3)]
    kinds = [type(block.feed_forward) for block in blocks]
    assert kinds == [FeedForward, MixtureOfExperts, FeedForward]
    assert not any(block.attention.causal for block in blocks)


def test_costs():
    """Counted by hand, for texts of 12 tokens."""
    model = make(random=False, average_embeddings=True)
    length, width, head = 12, 16, 3
    attention = 2 * length * 4 * width * width + 4 * length * length * width
    feed_forward = 2 * length * (width * 4 + 2 * 3 * width * 5)
    assert flops_per_example(model, 12) == attention + feed_forward + 2 * 2 * width * head
    with pytest.raises(ValueError, match="block_0"):
        flops_per_example(model)
    assert total_params(model) - active_params(model) == 2 * 3 * width * 5
    assert model.count_params() >= total_params(model)


def test_saved_and_loaded(tmp_path):
    model = make(average_embeddings=True, word_dropout=0.1, learned_positions=True)
    expected = to_numpy(model(texts()))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(texts())), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "precision, pooling", [("mixed_float16", "max"), ("mixed_bfloat16", "attention")]
)
def test_half_precision(precision, pooling):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = make(random=False, pooling=pooling, average_embeddings=True)
    finally:
        keras.config.set_dtype_policy(policy)
    outputs = to_numpy(model(texts(size=11)))
    assert outputs.dtype == "float32"
    np.testing.assert_allclose(outputs.sum(axis=1), 1.0, rtol=1e-2)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"pooling": "last"}, "`pooling` must be"),
        ({"experts": None, "hidden_dim": None}, "`hidden_dim` is the width of dense blocks"),
        ({"num_heads": 3}, "`num_heads` must divide"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_the_section_builds_it_and_refuses_other_data():
    section = TextClassifier(depth=1, width=16, num_heads=2, **SPARSE)
    model = section.build(TextInputs(30, 12), Binary("spam"))
    assert model(texts()).shape == (3, 1)
    with pytest.raises(ValueError, match="reads texts. Received data of another kind, TableInputs"):
        section.build(TableInputs(numeric_dim=3), Binary("spam"))
    with pytest.raises(ValueError, match="Choose model.type causal_lm, or texts with labels"):
        section.build(TextInputs(30, 12), NextToken(vocabulary_size=30))
    language_model = CausalLM(depth=1, width=16, num_heads=2, **SPARSE)
    with pytest.raises(ValueError, match="Choose model.type text_classifier, or a corpus"):
        language_model.build(TextInputs(30, 12), Binary("spam"))


def test_the_dense_twin_differs_in_its_blocks_alone():
    section = TextClassifier(depth=1, width=16, num_heads=2, pooling="first", **SPARSE)
    twin = TextClassifier(**section.dense_twin(7))
    assert (twin.pooling, twin.hidden_dim, twin.experts) == ("first", 7, None)
    model = twin.build(TextInputs(30, 12), Binary("spam"))
    assert isinstance(model.get_layer("block_0").feed_forward, FeedForward)
