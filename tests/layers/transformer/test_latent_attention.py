"""LatentAttention against loops in NumPy that expand all keys and values, and cached."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import FeedForward, LatentAttention, RotaryEmbedding, TransformerBlock
from tests.layers.transformer.attention_cases import (
    ARGUMENTS,
    BATCH,
    LENGTH,
    PADDED_LEFT,
    PADDED_RIGHT,
    WIDTH,
    check_gradients,
    draw,
    generate,
)
from tests.layers.transformer.attention_reference import latent_attention, randomize, weights_of
from tests.support.gradients import to_numpy

SIZES = {
    "num_heads": 3,
    "kv_lora_rank": 5,
    "qk_nope_head_dim": 4,
    "qk_rope_head_dim": 6,
    "v_head_dim": 7,
    "rotary": {"interleaved": True},
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4}
OPTIONS = {
    "plain": SIZES,
    "one head": SIZES | {"num_heads": 1, "qk_rope_head_dim": 2, "rotary": {"theta": 50.0}},
    "latent queries": SIZES | {"q_lora_rank": 3, "norm_epsilon": 0.1},
    "yarn": SIZES
    | {"rotary": YARN | {"interleaved": True, "mscale": 0.7, "mscale_all_dim": 1.3}}
    | {"q_lora_rank": 4},
    "scale": SIZES | {"scale": 0.9, "rotary": YARN},
}
NOT_CAUSAL = {"both sides": SIZES | {"causal": False, "q_lora_rank": 3}}


def make(options, **kwargs):
    """A layer with random weights, from options of the reference."""
    layer = LatentAttention(**options | {"rotary": RotaryEmbedding(**options["rotary"])}, **kwargs)
    layer.build((None, None, WIDTH))
    randomize(layer)
    return layer


@pytest.mark.parametrize("options", (all_options := OPTIONS | NOT_CAUSAL).values(), ids=all_options)
@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_against_the_reference(options, arguments):
    layer, x = make(options), draw(BATCH, LENGTH, WIDTH)
    expected = latent_attention(x, weights_of(layer), **options, **arguments)
    np.testing.assert_allclose(to_numpy(layer(x, **arguments)), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    "options, arguments",
    [("plain", "plain"), ("yarn", "everything"), ("latent queries", "padded right")],
)
def test_gradients(options, arguments):
    options, arguments = OPTIONS[options], ARGUMENTS[arguments]
    layer = make(options, dtype="float64")
    check_gradients(
        layer,
        lambda x, weights: latent_attention(x, weights, **options, **arguments),
        weights_of(layer),
        **arguments,
    )


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("chunks", [(1,) * LENGTH, (3, 1, 1, 2)], ids=str)
def test_generation(options, as_tensor, chunks):
    """Products with latent vectors, one token at a time, are those with expanded keys."""
    layer, x = make(options), draw(BATCH, LENGTH, WIDTH)
    found = generate(layer, x, chunks, max_length=9, as_tensor=as_tensor)
    np.testing.assert_allclose(found, to_numpy(layer(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_generation_of_ragged_prompts(options):
    layer, x = make(options), draw(BATCH, LENGTH, WIDTH)
    x[~PADDED_LEFT] = np.nan
    positions = np.maximum(np.cumsum(PADDED_LEFT, axis=1) - 1, 0)
    found = generate(layer, x, (4, 1, 1, 1), positions, PADDED_LEFT)
    for row, mask in enumerate(PADDED_LEFT):
        alone = to_numpy(layer(x[row : row + 1, mask]))
        np.testing.assert_allclose(found[row, mask], alone[0], rtol=1e-5, atol=1e-5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    "change",
    [
        {"rotary": {}},
        {"rotary": YARN | {"mscale_all_dim": 1.3}},
        {"rotary": YARN | {"mscale": 1.3, "mscale_all_dim": 1.3}},
        {"causal": False},
        {"norm_epsilon": 0.05},
        {"scale": 0.5},
    ],
    ids=str,
)
def test_the_reference_notices(change):
    """The comparisons above would fail if a layer had an option wrong."""
    layer, x = make(SIZES | {"rotary": YARN}), draw(BATCH, LENGTH, WIDTH)
    expected = latent_attention(x, weights_of(layer), **SIZES | {"rotary": YARN} | change)
    assert np.abs(to_numpy(layer(x)) - expected).max() > 1e-3


@pytest.mark.parametrize("options", ["plain", "yarn"])
def test_float64(options):
    """Generation, too: queries, keys and the cache have one dtype on every backend."""
    layer, x = make(OPTIONS[options], dtype="float64"), draw(BATCH, LENGTH, WIDTH)
    found = generate(layer, x, (4, 1, 1, 1))
    expected = latent_attention(x, weights_of(layer), **OPTIONS[options])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "mixed_float16"])
def test_half_precision(policy):
    options = OPTIONS["yarn"]
    layer, x = make(options, dtype=policy), draw(BATCH, LENGTH, WIDTH)
    outputs = layer(x, mask=PADDED_RIGHT)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    expected = latent_attention(x, weights_of(layer), **options, mask=PADDED_RIGHT)
    tolerance = 0.3 if "bfloat16" in policy else 0.04
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=tolerance)
    found = generate(layer, x, (4, 1, 1, 1))
    np.testing.assert_allclose(found, to_numpy(layer(x)), atol=tolerance)


def test_generation_of_a_quantized_layer():
    layer, x = make(SIZES), draw(BATCH, LENGTH, WIDTH)
    layer.key_value_up.quantize("int8")
    found = generate(layer, x, (1,) * LENGTH)
    np.testing.assert_allclose(found, to_numpy(layer(x)), rtol=1e-5, atol=1e-5)


def test_in_a_block():
    """Generation, and XLA: the block passes on what it does not know."""
    attention = LatentAttention(**SIZES | {"rotary": RotaryEmbedding(interleaved=True)})
    block = TransformerBlock(attention, FeedForward(5))
    block.build((None, None, WIDTH))
    randomize(block)
    x = draw(BATCH, LENGTH, WIDTH)
    found = generate(block, x, (4, 1, 1, 1))
    np.testing.assert_allclose(found, to_numpy(block(x)), rtol=1e-5, atol=1e-5)
    assert block.make_cache(3, 10)["latent"].shape == (3, 10, 5 + 6)


@pytest.mark.parametrize("rows, length", [(0, 4), (2, 1)])
def test_small_inputs(rows, length):
    layer = make(SIZES)
    for mask in (None, np.ones((rows, length), bool)):
        assert layer(draw(rows, length, WIDTH), mask=mask).shape == (rows, length, WIDTH)


def test_flops():
    """Of 5 tokens: queries 6 x 3 (4 + 6), latent vectors 6 x (5 + 6), keys and values
    5 x 3 (4 + 7), output 3 * 7 x 6; products of 5 queries and 5 keys of 3 heads of 4 + 6, and of
    values of 7.
    """
    matrices = 2 * 5 * (6 * 30 + 6 * 11 + 5 * 33 + 21 * 6)
    assert make(SIZES).flops_per_example((None, 5, 6)) == matrices + 2 * 5 * 5 * 3 * (10 + 7)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"rotary": None}, "`rotary` must be a RotaryEmbedding"),
        ({"qk_rope_head_dim": 3}, "must be even.*qk_rope_head_dim=3"),
        ({"kv_lora_rank": 0}, "`kv_lora_rank`"),
        ({"q_lora_rank": -1}, "`q_lora_rank`"),
    ],
)
def test_errors(change, words):
    with pytest.raises(ValueError, match=words):
        LatentAttention(**SIZES | {"rotary": RotaryEmbedding()} | change).build((None, 3, WIDTH))
