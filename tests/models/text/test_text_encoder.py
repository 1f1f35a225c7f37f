"""TextEncoder and what is built on it: padding, options, costs, saving, export, training."""

import warnings

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.data import Tokenizer
from sparse_keras.layers import FeedForward as Dense
from sparse_keras.layers import GroupedQueryAttention, TransformerBlock
from sparse_keras.models import TextEncoder, encoder_classifier, text_encoder
from sparse_keras.tasks import Multiclass
from sparse_keras.tuning import roles_of
from tests.layers.transformer.attention_reference import randomize
from tests.support.gradients import to_numpy

SMALL = {"vocabulary_size": 31, "depth": 2, "width": 8, "num_heads": 2, "padding_id": 0}
DENSE = SMALL | {"hidden_dim": 12}
BERT = DENSE | {"norm": "layer", "norm_placement": "post", "rotary": False, "gated": False}
BERT |= {"learned_positions": True, "context_length": 12, "token_types": 2}
BERT |= {"embedding_norm": True, "pooler": True}
SPARSE = SMALL | {"experts": {"type": "glu", "num_experts": 4, "hidden_dim": 6}}
SPARSE |= {"router": {"type": "top_k", "k": 2, "balance_loss": 0.01}}
IDS = np.array([[5, 7, 9, 11], [3, 4, 0, 0]])
CLASSES = Multiclass(classes=("a", "b", "c"))


def make(options):
    model = text_encoder(**options)
    randomize(model)
    return model


@pytest.mark.parametrize("options", [DENSE, BERT, SPARSE], ids=["dense", "bert", "sparse"])
def test_a_text_has_the_same_vectors_with_padding_as_without(options):
    model = make(options)
    found = to_numpy(model(IDS))
    assert found.shape == (2, 4, 8) and model.compute_output_shape((2, 4)) == (2, 4, 8)
    np.testing.assert_allclose(found[1:, :2], to_numpy(model(IDS[1:, :2])), atol=1e-6)
    whole = {"token_ids": IDS, "mask": IDS != 0}
    np.testing.assert_array_equal(to_numpy(model(whole))[IDS != 0], found[IDS != 0])
    # Each token sees all others, also later ones.
    other = np.array([[5, 7, 9, 12]])
    assert np.abs(to_numpy(model(other))[0, 0] - found[0, 0]).max() > 1e-4


@pytest.mark.parametrize("options", [DENSE, BERT, SPARSE], ids=["dense", "bert", "sparse"])
def test_it_is_saved_and_copied(options, tmp_path):
    model = make(options)
    expected = to_numpy(model(IDS))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(IDS)), expected)
    copy = TextEncoder.from_config(model.get_config())
    copy.build()
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(to_numpy(copy(IDS)), expected)
    assert copy.get_config() == model.get_config()


def test_types_of_tokens_and_the_pooler():
    model = make(BERT)
    plain, types = to_numpy(model(IDS)), np.ones_like(IDS)
    inputs = {"token_ids": IDS, "token_type_ids": np.zeros_like(IDS)}
    np.testing.assert_array_equal(to_numpy(model(inputs)), plain)
    assert np.abs(to_numpy(model(inputs | {"token_type_ids": types})) - plain).max() > 1e-3
    weights, bias = map(to_numpy, model.pooler.weights)
    pooled = to_numpy(model(IDS, pooled=True))
    np.testing.assert_allclose(pooled, np.tanh(plain[:, 0] @ weights + bias), atol=1e-5)
    with pytest.raises(ValueError, match="no types of tokens"):
        make(DENSE)(inputs)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"learned_positions": True}, "needs `context_length`"),
        ({"padding_id": 31}, "`padding_id` must be less than"),
        ({"token_types": 0}, "`token_types` must be"),
        ({"pooler": 1}, "`pooler` must be"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(ValueError, match=words):
        text_encoder(**DENSE | options)


def test_wrong_blocks_and_inputs():
    def block(causal=False):
        return TransformerBlock(GroupedQueryAttention(2, causal=causal), Dense(8))

    one = block()
    for blocks, words in (
        ([block(causal=True)], "see all others.*causal=True"),
        ([one, one], "each one once"),
        ([], "at least one"),
        ([Dense(8)], "must be TransformerBlocks"),
    ):
        with pytest.raises(ValueError, match=words):
            TextEncoder(31, 8, blocks)
    with pytest.raises(ValueError, match="no pooler to freeze"):
        TextEncoder(31, 8, [block()], pooler_frozen=True)
    model = text_encoder(**DENSE | {"context_length": 3})
    with pytest.raises(ValueError, match="is 3 tokens. Received: a text of 4"):
        model(IDS)
    with pytest.raises(ValueError, match="inputs of an encoder.*Did you mean 'token_type_ids'"):
        model({"token_ids": IDS[:, :2], "token_types_ids": IDS[:, :2]})
    for wrong in (IDS[:, :2].astype("float32"), np.array([["a text"]])):
        with pytest.raises(ValueError, match="must be integers"):
            model(wrong)
    with pytest.raises(ValueError, match=r"a row for each text. Received.*\(3,\)"):
        model(IDS[0, :3])
    with pytest.raises(ValueError, match="Received: keys"):
        model({"token_ids": None})


def test_texts_that_are_cut_and_that_cannot_be_encoded():
    model = text_encoder(**DENSE | {"vocabulary_size": 300, "context_length": 6, "padding_id": 0})
    with pytest.raises(ValueError, match="Set its attribute `tokenizer` to"):
        model.tokenize("a")
    model.tokenizer = Tokenizer.train(["a b"], 257)
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than 6 tokens"):
        assert model.tokenize(["a" * 100, "a"]).shape == (2, 6)
    with pytest.raises(ValueError, match="at most 6, the context.*Received: max_length=7"):
        model.tokenize("a", max_length=7)
    model.padding_id = None
    with pytest.raises(ValueError, match="Set its attribute `padding_id` to"):
        model.tokenize("a")


@pytest.mark.parametrize("pooling", ["mean", "attention", "max", "first", "pooler"])
def test_a_head_on_it(pooling):
    model = encoder_classifier(make(BERT), CLASSES, pooling=pooling, head_dropout=0.2)
    encoder = model.get_layer("text_encoder")
    assert encoder.pooler_frozen == (pooling != "pooler")
    inputs = {"token_ids": IDS, "mask": IDS != 0}
    found = to_numpy(model(inputs))
    assert found.shape == (2, 3)
    short = {name: value[1:, :2] for name, value in inputs.items()}
    np.testing.assert_allclose(found[1:], to_numpy(model(short)), atol=1e-6)
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    before = to_numpy(encoder.blocks[0].attention.query.kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Such as of weights without a gradient.
        model.train_on_batch(inputs, np.array([0, 2]))
    assert np.abs(to_numpy(encoder.blocks[0].attention.query.kernel) - before).max() > 0


def test_wrong_heads():
    with pytest.raises(ValueError, match="must be a TextEncoder"):
        encoder_classifier(keras.Sequential())
    with pytest.raises(ValueError, match="has no pooler.*'first'"):
        encoder_classifier(make(DENSE), pooling="pooler")
    with pytest.raises(ValueError, match="`pooling` must be"):
        encoder_classifier(make(DENSE), pooling="sum")


def test_costs_and_roles():
    encoder = make(BERT)
    model = encoder_classifier(encoder, CLASSES)
    # 4 matrices of attention, its products, and 2 matrices of the feed-forward layer.
    block = 2 * 6 * 4 * 8 * 8 + 4 * 6 * 6 * 8 + 2 * 6 * 2 * 8 * 12
    assert sparse_keras.models.flops_per_example(encoder, 6) == 2 * block
    assert sparse_keras.models.flops_per_example(model, 6) == 2 * block + 2 * 8 * 3
    costs = {cost.name: cost for cost in sparse_keras.models.layer_costs(encoder)}
    assert costs["block_1"].flops and costs["pooler"].params == 8 * 8 + 8
    assert sum(cost.params for cost in costs.values()) == encoder.count_params()
    roles = roles_of(model)
    assert {part.layer.name for part in roles["head"]} == {"head"}
    assert {part.layer.name for part in roles["embeddings"]} == {
        *("token_embedding", "position_embedding", "type_embedding")
    }
    assert len(roles["attention"]) == len(roles["feed_forward"]) == 2


def test_a_router_that_needs_ids_gets_them():
    router = sparse_keras.layers.HashRouter(vocabulary_size=31)
    model = text_encoder(**SPARSE | {"router": router})
    assert to_numpy(model(IDS)).shape == (2, 4, 8)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = encoder_classifier(make(BERT), CLASSES)
    found = to_numpy(model({"token_ids": IDS, "mask": IDS != 0})).astype("float32")
    assert np.isfinite(found).all()
    assert model.get_layer("text_encoder").compute_dtype == policy.removeprefix("mixed_")


@pytest.mark.tensorflow
def test_an_upcycled_classifier_is_exported(tmp_path):
    import tensorflow as tf

    dense = encoder_classifier(make(BERT), CLASSES)
    model = sparse_keras.upcycle(dense, num_experts=4, split=2, layers=[-1], seed=0)
    inputs = {"token_ids": IDS.astype("int32"), "mask": IDS != 0}
    expected = to_numpy(dense(inputs))
    np.testing.assert_allclose(to_numpy(model(inputs)), expected, atol=1e-5)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(inputs), expected, atol=1e-5)
    shorter = {name: value[:, :3] for name, value in inputs.items()}
    np.testing.assert_allclose(served.serve(shorter), to_numpy(dense(shorter)), atol=1e-5)
