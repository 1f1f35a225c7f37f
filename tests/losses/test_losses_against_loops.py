"""Balance and entropy losses against naive loops in float64: values and gradients."""

import math

import numpy as np
import pytest
from keras import ops

from sparse_keras import losses
from tests.support.gradients import gradients, to_numpy
from tests.support.reference import softmax

RNG = np.random.default_rng(6)


def phi(z):
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def naive_balance(scores, chosen):
    """One sequence, token by token. `chosen` lists the open experts of each token."""
    num_experts = scores.shape[1]
    f, p = np.zeros(num_experts), np.zeros(num_experts)
    for row, experts in zip(scores, chosen, strict=True):
        p += row / row.sum() / len(scores)
        for e in experts:
            f[e] += 1
    f /= max(f.sum(), 1)
    return num_experts * sum(f[e] * p[e] for e in range(num_experts))


def naive_sequence_balance(scores, expert_index, is_open, num_sequences, mask):
    found, length = [], len(scores) // num_sequences
    for s in range(num_sequences):
        tokens = [n for n in range(s * length, (s + 1) * length) if mask[n]]
        if tokens:
            chosen = [expert_index[n][is_open[n]] for n in tokens]
            found.append(naive_balance(scores[tokens], chosen))
    return np.mean(found) if found else 0.0


def naive_load(clean, noisy, std, k, mask):
    load = np.zeros(clean.shape[1])
    for n in np.flatnonzero(mask):
        for e in range(len(load)):
            others = np.sort(np.delete(noisy[n], e))[::-1]
            load[e] += phi((clean[n, e] - others[k - 1]) / std[n, e])
    return 1.0 + np.var(load) / np.mean(load) ** 2


def naive_mean_entropy(scores, mask):
    kept = scores[mask]
    p = np.mean(kept / kept.sum(axis=1, keepdims=True), axis=0)
    return 1.0 + math.log(len(p)) + sum(x * math.log(x) for x in p if x > 0)


def naive_token_entropy(scores, mask):
    found = []
    for row in scores[mask]:
        p = row / row.sum()
        found.append(-sum(x * math.log(x) for x in p if x > 0) / math.log(len(p)))
    return np.mean(found)


def slopes(function, x, step=1e-5):
    """Gradient of a NumPy function in x, by central differences."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (function(up) - function(down)) / (2 * step)
    return gradient


def draw(tokens, num_experts, k, padded):
    logits = RNG.normal(0, 2, (tokens, num_experts))
    expert_index = np.argsort(-logits, axis=1)[:, :k].astype("int32")
    mask = np.ones(tokens, bool)
    if padded:
        mask[RNG.permutation(tokens)[: tokens // 2]] = False
    is_open = np.broadcast_to(mask[:, None], (tokens, k)).copy()
    is_open[0, 0] = False  # A gate that a router closed.
    return logits, expert_index, is_open, mask


def poisoned(x, mask):
    """Padding may hold anything."""
    return np.where(mask[:, None], x, np.nan).astype("float32")


def float32(x):
    return np.asarray(x, "float32")


def agree(function, naive, logits, mask, tolerance=2e-5):
    """A loss of logits and its gradient equal the naive ones; padding gets no gradient."""
    found = function(ops.convert_to_tensor(float32(logits)))
    assert float(to_numpy(found)) == pytest.approx(naive(logits), rel=1e-5)
    (gradient,) = gradients(function, float32(logits))
    np.testing.assert_allclose(gradient, slopes(naive, logits), atol=tolerance)
    assert not gradient[~mask].any()


CASES = [(1, 6, 4, 2, False), (3, 4, 5, 1, False), (3, 4, 4, 3, True), (4, 1, 3, 2, True)]


@pytest.mark.parametrize("sequences, length, num_experts, k, padded", CASES)
def test_sequence_balance_loss(sequences, length, num_experts, k, padded):
    logits, index, is_open, mask = draw(sequences * length, num_experts, k, padded)

    def function(z):
        scores = ops.where(ops.convert_to_tensor(mask)[:, None], ops.softmax(z), np.nan)
        return losses.sequence_balance_loss(
            scores, index, ops.convert_to_tensor(is_open), sequences, ops.convert_to_tensor(mask)
        )

    def naive(z):
        return naive_sequence_balance(softmax(z), index, is_open, sequences, mask)

    agree(function, naive, logits, mask)


def test_sequence_balance_sees_what_the_batch_hides():
    """Two sequences, each on an expert of its own: over the batch, that is perfect balance."""
    scores = float32([[1, 0]] * 3 + [[0, 1]] * 3)
    index, is_open = np.array([[0]] * 3 + [[1]] * 3, "int32"), np.ones((6, 1), bool)
    load = losses.expert_load(ops.convert_to_tensor(index), ops.convert_to_tensor(is_open), 2)
    assert float(losses.load_balance_loss(ops.convert_to_tensor(scores), load)) == 1.0
    found = losses.sequence_balance_loss(
        *(ops.convert_to_tensor(one) for one in (scores, index, is_open)), 2
    )
    assert float(found) == 2.0
    # One token for each expert in each sequence.
    even = [0, 3, 1, 4]
    found = losses.sequence_balance_loss(
        *(ops.convert_to_tensor(one[even]) for one in (scores, index, is_open)), 2
    )
    assert float(found) == 1.0


@pytest.mark.parametrize("tokens, num_experts, k, padded", [(6, 4, 1, False), (9, 5, 3, True)])
def test_load_loss(tokens, num_experts, k, padded):
    logits, _, _, mask = draw(tokens, num_experts, k, padded)
    std = RNG.uniform(0.3, 1.5, logits.shape)
    noise = RNG.normal(size=logits.shape) * std

    def function(z, s):
        keep = ops.convert_to_tensor(mask)
        clean = ops.where(keep[:, None], z, np.nan)
        return losses.load_loss(clean, clean + ops.convert_to_tensor(float32(noise)), s, k, keep)

    agree(
        lambda z: function(z, ops.convert_to_tensor(poisoned(std, mask))),
        lambda z: naive_load(z, z + noise, std, k, mask),
        logits,
        mask,
    )
    _, gradient = gradients(function, float32(logits), float32(std))
    expected = slopes(lambda s: naive_load(logits, logits + noise, s, k, mask), std)
    np.testing.assert_allclose(gradient, expected, atol=2e-5)


def test_load_loss_by_hand():
    # One token, two experts, k = 1. Expert 0's rival stands at 0.5, expert 1's at 1: with noise of
    # standard deviation 1 the chances are Phi(1 - 0.5) = 0.691462 and Phi(0 - 1) = 0.158655.
    # Mean 0.425059, mean of squares 0.251646: 0.251646 / 0.180675 = 1.392812.
    clean, noisy, std = (
        ops.convert_to_tensor(float32([row])) for row in ([1.0, 0.0], [1.0, 0.5], [1.0, 1.0])
    )
    found = losses.load_loss(clean, noisy, std, 1)
    assert float(found) == pytest.approx(1.392812, abs=1e-5)


def test_load_loss_refuses_to_balance_what_always_is():
    logits = np.zeros((3, 2), "float32")
    with pytest.raises(ValueError, match="k=2, number of experts 2"):
        losses.load_loss(logits, logits, logits + 1, 2)


@pytest.mark.parametrize("padded", [False, True])
def test_entropy_losses(padded):
    logits, _, _, mask = draw(7, 5, 2, padded)

    def on_scores(loss):
        def function(z):
            keep = ops.convert_to_tensor(mask)
            return loss(ops.where(keep[:, None], ops.softmax(z), np.nan), keep)

        return function

    for loss, naive in (
        (losses.mean_entropy_loss, naive_mean_entropy),
        (losses.token_entropy_loss, naive_token_entropy),
    ):
        agree(on_scores(loss), lambda z, naive=naive: naive(softmax(z), mask), logits, mask)


def test_entropy_losses_at_their_ends():
    one, each = float32([[1, 0, 0, 0]] * 4), np.eye(4, dtype="float32")
    even = np.full((4, 4), 0.25, "float32")
    assert float(losses.mean_entropy_loss(one)) == pytest.approx(1 + math.log(4))
    assert float(losses.mean_entropy_loss(each)) == pytest.approx(1.0)
    assert float(losses.mean_entropy_loss(even)) == pytest.approx(1.0)
    assert float(losses.token_entropy_loss(one)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.token_entropy_loss(each)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.token_entropy_loss(even)) == pytest.approx(1.0)
    # Gates that are all closed, as a ReLU router may have them, and a single expert.
    closed = np.zeros((2, 3), "float32")
    assert float(losses.token_entropy_loss(closed)) == 0.0
    assert float(losses.token_entropy_loss(np.ones((2, 1), "float32"))) == 0.0


def test_closed_gates_have_gradients_of_ordinary_size():
    """A ReLU router may close all gates of a token."""
    scores = np.array([[0, 0, 0], [0.5, 0, 0.1]], "float32")
    load = ops.convert_to_tensor(float32([1, 0, 1]))
    for loss in (
        losses.token_entropy_loss,
        losses.mean_entropy_loss,
        lambda scores: losses.load_balance_loss(scores, load),
    ):
        (gradient,) = gradients(loss, scores)
        assert np.abs(gradient).max() < 1e3


def test_padding_alone_costs_nothing():
    logits, index, is_open, mask = draw(4, 3, 2, False)
    scores, nothing = float32(softmax(logits)), ops.convert_to_tensor(~mask)
    closed = ops.zeros_like(ops.convert_to_tensor(is_open))
    assert float(losses.sequence_balance_loss(scores, index, closed, 2, nothing)) == 0.0
    assert float(losses.load_loss(scores, scores, scores, 1, nothing)) == 0.0
    assert float(losses.mean_entropy_loss(scores, nothing)) == 0.0
    assert float(losses.token_entropy_loss(scores, nothing)) == 0.0
