"""RotaryEmbedding against rotations of one pair at a time, and what rotary positions promise."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import RotaryEmbedding
from tests.layers.transformer.attention_cases import draw, weighted_sum
from tests.layers.transformer.rotary_reference import rotate
from tests.support.gradients import gradients, to_numpy

CONTEXT = {"factor": 4.0, "original_max_position_embeddings": 32}
YARN = {"rope_type": "yarn", **CONTEXT}
LLAMA3 = {"rope_type": "llama3", **CONTEXT}
OPTIONS = [
    {},
    {"theta": 500.0},
    {"rope_type": "linear", "factor": 2.5},
    LLAMA3,
    LLAMA3 | {"low_freq_factor": 0.5, "high_freq_factor": 2.0},
    YARN,
    YARN | {"theta": 100.0, "truncate": False},
    YARN | {"beta_fast": 4.0, "beta_slow": 0.5},
    YARN | {"attention_factor": 1.5},
    YARN | {"mscale": 0.7, "mscale_all_dim": 1.2},
    YARN | {"original_max_position_embeddings": 4},
    {"partial_rotary_factor": 0.5},
    {"interleaved": True},
    {"interleaved": True, "partial_rotary_factor": 0.25, "theta": 50.0},
    YARN | {"interleaved": True, "partial_rotary_factor": 0.75},
    LLAMA3 | {"partial_rotary_factor": 0.5},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_against_the_reference(options):
    x = draw(2, 5, 3, 16)
    # Beyond the original context of 32, too.
    positions = np.random.default_rng(1).integers(0, 150, size=(2, 5))
    found = to_numpy(RotaryEmbedding(**options)(x, positions=positions))
    np.testing.assert_allclose(found, rotate(x, positions, **options), atol=5e-5)


@pytest.mark.parametrize("interleaved", [False, True])
def test_gradient(interleaved):
    """A rotation is linear: the gradient is the rotation back, times the upstream gradient."""
    x, upstream = draw(2, 3, 2, 8), draw(2, 3, 2, 8, seed=1)
    positions = np.array([[0, 5, 9], [2, 3, 4]])
    options = {"interleaved": interleaved, "partial_rotary_factor": 0.5}
    layer = RotaryEmbedding(**options)
    (found,) = gradients(lambda x: weighted_sum(layer(x, positions=positions), upstream), x)
    np.testing.assert_allclose(found, rotate(upstream, -positions, **options), atol=1e-5)


def test_products_depend_on_distances():
    query, key = draw(1, 1, 1, 8), draw(1, 1, 1, 8, seed=1)
    layer = RotaryEmbedding()

    def product(p, q):
        at = [np.array([[position]]) for position in (p, q)]
        return to_numpy(ops.sum(layer(query, positions=at[0]) * layer(key, positions=at[1])))

    np.testing.assert_allclose(product(9, 4), product(105, 100), rtol=1e-4)
    assert abs(product(9, 4) - product(9, 5)) > 1e-3


def test_default_positions_and_rank_3():
    x = draw(2, 4, 1, 6)
    found = to_numpy(RotaryEmbedding()(x[:, :, 0]))
    expected = to_numpy(RotaryEmbedding()(x, positions=np.arange(4)[None]))
    np.testing.assert_allclose(found, expected[:, :, 0], atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_far_positions_in_half_precision(policy):
    """Angles are computed in float32: bfloat16 would take position 1001 for 1000."""
    x = draw(1, 2, 1, 8)
    positions = np.array([[1001, 4099]])
    found = RotaryEmbedding(dtype=policy)(x, positions=positions)
    assert keras.backend.standardize_dtype(found.dtype) == policy.removeprefix("mixed_")
    np.testing.assert_allclose(to_numpy(found), rotate(x, positions), atol=0.03)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"factor": 2.0}, "`factor` has no effect with rope_type='default'"),
        ({"rope_type": "linear"}, "needs `factor`"),
        ({"rope_type": "llama3", "factor": 2.0}, "needs `original_max_position_embeddings`"),
        (LLAMA3 | {"beta_fast": 2.0}, "it is for yarn"),
        (LLAMA3 | {"low_freq_factor": 5.0}, "must be less than `high_freq_factor`"),
        (YARN | {"beta_slow": 40.0}, "must be less than `beta_fast`"),
        (YARN | {"mscale": 1.0}, "no effect without `mscale_all_dim`"),
        (
            YARN | {"mscale": 1.0, "mscale_all_dim": 1.0, "attention_factor": 2.0},
            "no effect beside `attention_factor`",
        ),
        ({"rope_type": "yarm"}, "must be one of"),
        ({"theta": 1.0}, "`theta`"),
        ({"partial_rotary_factor": 0.0}, "`partial_rotary_factor`"),
    ],
)
def test_errors(options, words):
    with pytest.raises(ValueError, match=words):
        RotaryEmbedding(**options)


def test_errors_of_shapes():
    with pytest.raises(ValueError, match="must be even.*head_dim=7"):
        RotaryEmbedding()(draw(1, 2, 7))
    with pytest.raises(ValueError, match=r"takes \[B, T, head_dim\]"):
        RotaryEmbedding()(draw(2, 8))


def test_score_factor():
    assert RotaryEmbedding(**YARN).score_factor == 1.0
    # (0.1 * 1.2 * ln 4 + 1) ** 2 = 1.166355 ** 2
    found = RotaryEmbedding(**YARN, mscale_all_dim=1.2).score_factor
    np.testing.assert_allclose(found, 1.360384, rtol=1e-6)
