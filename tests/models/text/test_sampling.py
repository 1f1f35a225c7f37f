"""Drawn tokens have the probabilities that NumPy computes."""

import numpy as np
import pytest
from keras import ops

from sparse_keras.models.text.sampling import Sampling, next_tokens, uniform
from tests.support.gradients import to_numpy

LOGITS = np.array([0.3, -1.0, 2.0, 1.1, 0.0, -3.0, 1.9], "float32")
ROWS = 20_000


def draw(logits, temperature, top_k=None, top_p=None):
    """A token for each of many rows with the same logits."""
    sampling = Sampling(
        ops.convert_to_tensor(temperature, "float32"),
        ops.convert_to_tensor(top_k or len(logits), "int32"),
        ops.convert_to_tensor(top_p or 1.0, "float32"),
        ops.arange(ROWS, dtype="int32"),
    )
    logits = ops.convert_to_tensor(np.tile(logits, (ROWS, 1)))
    return ops.convert_to_numpy(next_tokens(logits, sampling, ops.full((ROWS,), 3, "int32")))


def probabilities(logits, temperature, top_k=None, top_p=None):
    weights = np.exp(logits.astype("float64") / temperature)
    order = np.argsort(-weights)[:top_k]
    shares = weights[order] / weights[order].sum()
    kept = []
    for token, share in zip(order, np.cumsum(shares), strict=True):
        kept += [token]
        if top_p is not None and share >= top_p:
            break
    expected = np.zeros(len(logits))
    expected[kept] = weights[kept] / weights[kept].sum()
    return expected


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    "top_k, top_p", [(None, None), (3, None), (1, None), (None, 0.6), (None, 1e-6), (4, 0.75)]
)
def test_frequencies(temperature, top_k, top_p):
    expected = probabilities(LOGITS, temperature, top_k, top_p)
    found = np.bincount(draw(LOGITS, temperature, top_k, top_p), minlength=len(LOGITS)) / ROWS
    np.testing.assert_array_equal(found > 0, expected > 1e-3)
    # Four standard deviations of a frequency.
    assert np.all(np.abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / ROWS) + 1e-9)


def test_temperature_0_is_the_most_likely():
    np.testing.assert_array_equal(draw(LOGITS, 0.0), 2)
    np.testing.assert_array_equal(draw(LOGITS, 1e-30), 2)


def test_equally_likely_tokens_stay_together():
    logits = np.array([0.0, 1.0, 1.0, 1.0], "float32")
    assert set(draw(logits, 1.0, top_k=2)) == {1, 2, 3}


def test_logits_of_any_size():
    logits = np.array([-1e30, 5e4, 5e4, -5e4], "float32")
    assert set(draw(logits, 1.0)) == {1, 2}


def test_uniform_numbers():
    """They are spread evenly, and neither neighbours nor positions are correlated."""
    seeds = ops.arange(-5_000, 5_000, dtype="int32")
    numbers = np.stack(
        [to_numpy(uniform(seeds, ops.full((10_000,), p, "int32"))) for p in range(8)]
    )
    assert 0 < numbers.min() and numbers.max() < 1
    counts = np.histogram(numbers, bins=100, range=(0, 1))[0]
    assert np.sum((counts - 800) ** 2 / 800) < 160  # 99 degrees of freedom.
    assert np.abs(np.corrcoef(numbers) - np.eye(8)).max() < 0.05
    assert abs(np.corrcoef(numbers[:, 1:].ravel(), numbers[:, :-1].ravel())[0, 1]) < 0.02
