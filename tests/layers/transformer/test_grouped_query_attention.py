"""GroupedQueryAttention against loops in NumPy, option by option, and against itself cached."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import GroupedQueryAttention, RotaryEmbedding
from tests.layers.transformer.attention_cases import (
    ARGUMENTS,
    BATCH,
    DOCUMENTS,
    LENGTH,
    PADDED_LEFT,
    PADDED_RIGHT,
    WIDTH,
    check_gradients,
    draw,
    generate,
)
from tests.layers.transformer.attention_reference import (
    grouped_query_attention,
    randomize,
    weights_of,
)
from tests.support.gradients import to_numpy

HEADS = {"num_heads": 4, "num_kv_heads": 2, "head_dim": 8}
ROTARY = {"rotary": {"theta": 100.0}}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4}
OPTIONS = {
    "heads": {"num_heads": 2},
    "one head": {"num_heads": 1, "head_dim": 5},
    "multi-query": {"num_heads": 3, "num_kv_heads": 1},
    "grouped": HEADS,
    "rotary": HEADS | ROTARY,
    "yarn, partial": HEADS | {"rotary": YARN | {"partial_rotary_factor": 0.5}},
    "interleaved": HEADS | {"rotary": {"interleaved": True}},
    "window": HEADS | ROTARY | {"sliding_window": 3},
    "biases": HEADS | {"qkv_bias": True, "output_bias": True},
    "norm of each head": HEADS | ROTARY | {"qk_norm": "head", "norm_epsilon": 0.1},
    "norm of all heads, clipped": HEADS | ROTARY | {"qk_norm": "all", "clip_qkv": 0.8},
    "sinks": HEADS | {"sinks": True},
    "sinks, window": HEADS | ROTARY | {"sinks": True, "sliding_window": 2, "qkv_bias": True},
    "scale": HEADS | {"scale": 0.9},
    "everything": HEADS
    | {"rotary": YARN, "sliding_window": 4, "qkv_bias": True, "output_bias": True}
    | {"qk_norm": "head", "clip_qkv": 1.5, "sinks": True, "scale": 0.2},
}
NOT_CAUSAL = {
    "both sides": HEADS | {"causal": False},
    "both sides, window": HEADS | ROTARY | {"causal": False, "sliding_window": 2},
    "both sides, sinks": HEADS | {"causal": False, "sinks": True},
}


def make(options, **kwargs):
    """A layer with random weights, from options of the reference."""
    rotary = options.get("rotary")
    options = options | {"rotary": None if rotary is None else RotaryEmbedding(**rotary)}
    layer = GroupedQueryAttention(**options, **kwargs)
    layer.build((None, None, WIDTH))
    randomize(layer)
    return layer


@pytest.mark.parametrize("options", (all_options := OPTIONS | NOT_CAUSAL).values(), ids=all_options)
@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_against_the_reference(options, arguments):
    layer, x = make(options), draw(BATCH, LENGTH, WIDTH)
    expected = grouped_query_attention(x, weights_of(layer), **options, **arguments)
    np.testing.assert_allclose(to_numpy(layer(x, **arguments)), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    "options, arguments",
    [
        ("grouped", "plain"),
        ("everything", "everything"),
        ("norm of all heads, clipped", "padded right"),
        ("biases", "documents"),
        ("multi-query", "padded left"),
        ("both sides, sinks", "padded right"),
    ],
)
def test_gradients(options, arguments):
    options, arguments = all_options[options], ARGUMENTS[arguments]
    layer = make(options, dtype="float64")
    check_gradients(
        layer,
        lambda x, weights: grouped_query_attention(x, weights, **options, **arguments),
        weights_of(layer),
        **arguments,
    )


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention_of_keras(causal):
    """The same weights in Keras's layer, which has an axis for heads."""
    heads, dim = 3, 4
    biases = {"qkv_bias": True, "output_bias": True}
    layer = make({"num_heads": heads, "head_dim": dim, "causal": causal} | biases)
    theirs = keras.layers.MultiHeadAttention(heads, dim)
    x = draw(BATCH, LENGTH, WIDTH)
    theirs(x, x)
    weights = weights_of(layer)
    for variable in theirs.variables:
        ours = weights["/".join(variable.path.split("/")[-2:]).replace("attention_", "")]
        variable.assign(ours.reshape(variable.shape))
    expected = to_numpy(theirs(x, x, use_causal_mask=causal))
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_generation(options, as_tensor):
    """A prompt and then token by token, in a cache larger than needed, is the whole at once."""
    layer, x = make(options), draw(BATCH, LENGTH, WIDTH)
    chunks = (3, 1, 1, 2)
    found = generate(layer, x, chunks, max_length=9, as_tensor=as_tensor)
    np.testing.assert_allclose(found, to_numpy(layer(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_generation_of_ragged_prompts(options):
    """A row that is padded on the left gets what it gets alone, without padding."""
    layer, x = make(options), draw(BATCH, LENGTH, WIDTH)
    x[~PADDED_LEFT] = np.nan
    positions = np.maximum(np.cumsum(PADDED_LEFT, axis=1) - 1, 0)
    found = generate(layer, x, (4, 1, 1, 1), positions, PADDED_LEFT)
    for row, mask in enumerate(PADDED_LEFT):
        alone = to_numpy(layer(x[row : row + 1, mask]))
        np.testing.assert_allclose(found[row, mask], alone[0], rtol=1e-5, atol=1e-5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("options", ["yarn, partial", "sinks, window", "everything"])
def test_generation_after_padding(options):
    """Prompts that are padded on the right: new tokens follow the gap, at the next position."""
    layer, x = make(OPTIONS[options]), draw(BATCH, LENGTH, WIDTH)
    mask = np.array([[True] * 2 + [False] * 2 + [True] * 3, [True] * LENGTH])
    positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    found = generate(layer, x, (4, 1, 1, 1), positions, mask)
    alone = to_numpy(layer(x[:1, mask[0]]))
    np.testing.assert_allclose(found[0, mask[0]], alone[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1:], to_numpy(layer(x[1:])), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", ["window", "sinks", "both sides"])
def test_padding_changes_nothing(options):
    layer, x = make(all_options[options]), draw(BATCH, LENGTH, WIDTH)
    x[~PADDED_RIGHT] = np.nan
    found = to_numpy(layer(x, mask=PADDED_RIGHT))
    alone = to_numpy(layer(x[:1, :5]))
    np.testing.assert_allclose(found[:1, :5], alone, rtol=1e-5, atol=1e-6)
    # The second row is padding alone: its tokens see nothing.
    np.testing.assert_array_equal(found[1], np.zeros((LENGTH, WIDTH)))


def test_documents_of_a_row_are_independent():
    layer, x = make(OPTIONS["everything"]), draw(1, LENGTH, WIDTH)
    documents = np.array([[7, 7, 7, 2, 2, 2, 2]])
    positions = np.array([[0, 1, 2, 0, 1, 2, 3]])
    found = to_numpy(layer(x, positions=positions, segment_ids=documents))
    for part in (slice(0, 3), slice(3, 7)):
        alone = to_numpy(layer(x[:, part]))
        np.testing.assert_allclose(found[:, part], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"num_kv_heads": 4},
        {"rotary": {"theta": 50.0}},
        {"rotary": None},
        {"causal": False},
        {"sliding_window": 6},
        {"qk_norm": "all"},
        {"clip_qkv": 1.0},
        {"sinks": False},
        {"scale": 0.5},
        {"norm_epsilon": 0.01},
    ],
    ids=str,
)
def test_the_reference_notices(change):
    """The comparisons above would fail if a layer had an option wrong."""
    options = HEADS | ROTARY | {"sliding_window": 5, "qk_norm": "head", "sinks": True}
    layer, other, x = make(options), make(options | change), draw(BATCH, LENGTH, WIDTH)
    weights = weights_of(other) if set(change) & {"num_kv_heads", "qk_norm"} else weights_of(layer)
    expected = grouped_query_attention(x, weights, **options | change)
    assert np.abs(to_numpy(layer(x)) - expected).max() > 1e-3


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "mixed_float16"])
def test_half_precision(policy):
    options = OPTIONS["everything"]
    layer, x = make(options, dtype=policy), draw(BATCH, LENGTH, WIDTH)
    outputs = layer(x, mask=PADDED_RIGHT)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    expected = grouped_query_attention(x, weights_of(layer), **options, mask=PADDED_RIGHT)
    tolerance = 0.3 if "bfloat16" in policy else 0.04
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=tolerance)
    found = generate(layer, x, (4, 1, 2))
    np.testing.assert_allclose(found, to_numpy(layer(x)), atol=tolerance)


@pytest.mark.tensorflow  # On PyTorch, Keras multiplies matrices in float32; JAX has no float64.
@pytest.mark.parametrize("options", ["everything", "sinks, window"])
def test_float64(options):
    """The dtype of the layer rules, not that of its rotary embedding, which is float32 here."""
    options, x = OPTIONS[options], draw(BATCH, LENGTH, WIDTH).astype("float64")
    layer = make(options, dtype="float64")
    assert layer.rotary.compute_dtype == "float32"
    expected = grouped_query_attention(x, weights_of(layer), **options)
    found = ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rows, length", [(0, 4), (2, 1)])
def test_small_inputs(rows, length):
    for options in (OPTIONS["everything"], OPTIONS["grouped"]):
        layer = make(options)
        for mask in (None, np.ones((rows, length), bool)):
            assert layer(draw(rows, length, WIDTH), mask=mask).shape == (rows, length, WIDTH)


@pytest.mark.tensorflow
def test_a_compiled_loop():
    """Eager, in a graph, and compiled by XLA, a loop over tokens gives the same."""
    import tensorflow as tf

    layer, x = make(OPTIONS["everything"]), draw(BATCH, LENGTH, WIDTH)

    def decode(x):
        cache = layer.make_cache(BATCH, LENGTH)

        def step(index, outputs, cache):
            token = ops.slice(x, [0, index, 0], [BATCH, 1, WIDTH])
            y, cache = layer(token, cache=cache, cache_index=index)
            return index + 1, ops.slice_update(outputs, [0, index, 0], y), cache

        start = (tf.constant(0), tf.zeros_like(x), cache)
        return tf.while_loop(lambda index, *_: index < LENGTH, step, start)[1]

    for jit_compile in (False, True):
        found = tf.function(decode, jit_compile=jit_compile)(tf.constant(x))
        np.testing.assert_allclose(found, to_numpy(layer(x)), rtol=1e-5, atol=1e-5)


def test_symbolic_calls_with_a_cache():
    layer = make(OPTIONS["rotary"])
    inputs = keras.Input((None, WIDTH))
    cache = {
        name: keras.KerasTensor(t.shape, t.dtype) for name, t in layer.make_cache(2, 5).items()
    }
    outputs, new = layer(inputs, cache=cache, cache_index=keras.KerasTensor((), "int32"))
    assert outputs.shape == (None, None, WIDTH)
    assert {name: t.shape for name, t in new.items()} == {n: t.shape for n, t in cache.items()}


def test_the_mask_of_an_embedding():
    """It reaches the layer beside other inputs, and is passed on."""
    tokens = np.array([[3, 4, 5, 0, 0], [5, 6, 7, 8, 1]])
    embedded = keras.layers.Embedding(9, WIDTH, mask_zero=True)(tokens)
    layer = make(OPTIONS["rotary"])
    found = layer(embedded, positions=np.arange(5)[None])
    expected = to_numpy(layer(embedded[:1, :3]))
    np.testing.assert_allclose(to_numpy(found)[:1, :3], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found._keras_mask, tokens != 0)


def test_flops():
    """Of 5 tokens: queries 6 x 32, keys and values 6 x 16 each, output 32 x 6, and the products of
    5 queries and 5 keys of 4 heads of 8, twice.
    """
    matrices = 2 * 5 * (6 * 32 + 2 * 6 * 16 + 32 * 6)
    assert make(HEADS).flops_per_example((None, 5, 6)) == matrices + 2 * 2 * 5 * 5 * 4 * 8
    assert make(HEADS).flops_per_example((None, None, 6)) is None


@pytest.mark.parametrize(
    "options, words",
    [
        ({"num_heads": 4, "num_kv_heads": 3}, "`num_kv_heads` must divide"),
        ({"num_heads": 0}, "`num_heads`"),
        ({"num_heads": 1, "rotary": "yarn"}, "`rotary` must be a RotaryEmbedding"),
        ({"num_heads": 1, "qk_norm": "each"}, "`qk_norm` must be one of"),
        ({"num_heads": 4}, "`num_heads` must divide the width.*width 6"),
        ({"num_heads": 2, "rotary": RotaryEmbedding()}, "must be even.*head_dim=3"),
    ],
)
def test_errors(options, words):
    with pytest.raises(ValueError, match=words):
        GroupedQueryAttention(**options).build((None, None, WIDTH))


def test_errors_of_calls():
    layer, x = make(OPTIONS["grouped"]), draw(BATCH, 3, WIDTH)
    cache = layer.make_cache(BATCH, 4)
    cases = [
        ({"cache": cache}, "needs a `cache_index`"),
        ({"cache_index": 0}, "`cache_index` is for a `cache`"),
        ({"cache": cache, "cache_index": 2}, "room for 4 tokens. Received: 3 tokens"),
        ({"cache": {"key": 1}, "cache_index": 0}, "must be what"),
        ({"cache": cache, "cache_index": 0, "segment_ids": DOCUMENTS[:, :3]}, "one document"),
        (
            {"positions": np.arange(3.0)[None]},
            "`positions` must be integers",
        ),
        ({"segment_ids": keras.KerasTensor((2, 3), "float32")}, "`segment_ids` must be integers"),
    ]
    for arguments, words in cases:
        with pytest.raises(ValueError, match=words):
            layer(x, **arguments)
    with pytest.raises(ValueError, match="causal=False"):
        make(NOT_CAUSAL["both sides"])(x, cache=cache, cache_index=0)
    with pytest.raises(ValueError, match=r"takes sequences \[B, T, D\]"):
        GroupedQueryAttention(2)(draw(3, 4))
    with pytest.raises(ValueError, match="Build or call"):
        GroupedQueryAttention(2).make_cache(1, 2)
