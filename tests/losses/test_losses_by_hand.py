"""Each loss by hand, on three tokens."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import losses
from sparse_keras.layers import MixtureOfExperts, ReLURouter, TopKRouter
from tests.support.gradients import gradients, to_numpy

# Three tokens, two experts, one choice each: tokens 0 and 1 go to expert 0, token 2 to expert 1.
SCORES = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], "float32")
INDEX = np.array([[0], [0], [1]], "int32")
OPEN = np.ones((3, 1), bool)
LAST_IS_PADDING = np.array([True, True, False])


def value(tensor):
    assert keras.backend.standardize_dtype(tensor.dtype) == "float32"
    assert tuple(tensor.shape) == ()
    return float(to_numpy(tensor))


def tensors(*arrays):
    return [ops.convert_to_tensor(a) for a in arrays]


def test_expert_load_by_hand():
    index, is_open = tensors(
        np.array([[0, 2], [2, 1], [2, 0]], "int32"), np.array([[1, 1], [1, 0], [1, 1]], bool)
    )
    # Expert 0: slots (0, 0) and (2, 1). Expert 1: only the closed (1, 1). Expert 2: three times.
    np.testing.assert_array_equal(to_numpy(losses.expert_load(index, is_open, 4)), [2, 0, 3, 0])


def test_balance_loss_by_hand():
    load = losses.expert_load(*tensors(INDEX, OPEN), 2)
    # f = (2/3, 1/3). P = ((.9 + .6 + .3) / 3, (.1 + .4 + .7) / 3) = (0.6, 0.4).
    # 2 * (2/3 * 0.6 + 1/3 * 0.4) = 2 * (0.4 + 0.133333) = 1.066667.
    found = losses.load_balance_loss(*tensors(SCORES), load)
    assert value(found) == pytest.approx(1.066667, abs=1e-6)


def test_balance_loss_without_padding_by_hand():
    is_open = OPEN & LAST_IS_PADDING[:, None]
    load = losses.expert_load(*tensors(INDEX, is_open), 2)
    scores, mask = tensors(np.where(LAST_IS_PADDING[:, None], SCORES, np.nan), LAST_IS_PADDING)
    # f = (1, 0). P = ((.9 + .6) / 2, (.1 + .4) / 2) = (0.75, 0.25). 2 * 0.75 = 1.5.
    assert value(losses.load_balance_loss(scores, load, mask)) == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("num_experts, k", [(4, 1), (4, 2), (8, 3)])
def test_balance_loss_is_1_at_perfect_balance(num_experts, k):
    scores = np.full((num_experts, num_experts), 0.3, "float32")  # Of any sum.
    index = (np.arange(num_experts)[:, None] + np.arange(k)) % num_experts
    load = losses.expert_load(
        *tensors(index.astype("int32"), np.ones(index.shape, bool)), num_experts
    )
    assert value(losses.load_balance_loss(*tensors(scores), load)) == pytest.approx(1.0)


def test_balance_loss_pushes_down_the_busy_expert():
    def function(logits):
        return losses.load_balance_loss(ops.softmax(logits), np.array([2.0, 1.0], "float32"))

    (found,) = gradients(function, np.zeros((3, 2), "float32"))
    # E / N * sum_e f_e p_e (delta - p): 2/3 * (2/3 * 1/4 - 1/3 * 1/4) = 1/18 for expert 0.
    np.testing.assert_allclose(found, [[1 / 18, -1 / 18]] * 3, rtol=1e-5)


def test_z_loss_by_hand():
    logits, mask = tensors(np.array([[0, 0], [math.log(3), 0], [5, 5]], "float32"), LAST_IS_PADDING)
    # Token 0: log 2 = 0.693147, squared 0.480453. Token 1: log(3 + 1) = 1.386294, squared 1.921812.
    # Token 2: log(2 e^5) = 5.693147, squared 32.411925. The mean of all three is 11.604730.
    assert value(losses.router_z_loss(logits)) == pytest.approx(11.604730, abs=1e-5)
    # (0.480453 + 1.921812) / 2 = 1.201133.
    assert value(losses.router_z_loss(logits, mask)) == pytest.approx(1.201133, abs=1e-6)


def test_importance_loss_by_hand():
    weight, index = tensors(np.array([[0.9], [0.6], [0.7]], "float32"), INDEX)
    # Sums (1.5, 0.7), mean 1.1, deviations 0.4: 1 + 0.16 / 1.21 = 1.132231.
    assert value(losses.importance_loss(weight, index, 2)) == pytest.approx(1.132231, abs=1e-6)
    weight = ops.convert_to_tensor(np.array([[0.3], [0.3], [0.6]], "float32"))
    assert value(losses.importance_loss(weight, index, 2)) == pytest.approx(1.0, abs=1e-6)


def test_token_count():
    values, mask = tensors(SCORES, LAST_IS_PADDING)
    assert value(losses.token_count(values)) == 3
    assert value(losses.token_count(values, mask)) == 2
    for nothing, of_padding in ((values[:0], None), (values, ops.zeros_like(mask))):
        assert value(losses.token_count(nothing, of_padding)) == 0
        mean = ops.convert_to_numpy(losses.masked_mean(nothing, of_padding))
        np.testing.assert_array_equal(mean, np.zeros(values.shape[-1]))  # Not 0 / 0.


def layer_with_logits(router, logits):
    """A mixture whose router gives these logits to the rows of the identity."""
    layer = MixtureOfExperts(keras.layers.Dense(2), num_experts=logits.shape[1], router=router)
    layer.build((None, len(logits)))
    layer.router.kernel.assign(logits)
    return layer, np.eye(len(logits), dtype="float32")


def test_losses_are_weighted_and_added_once():
    router = TopKRouter(k=1, balance_loss=0.1, z_loss=0.01, importance_loss=0.001)
    layer, x = layer_with_logits(router, np.log(SCORES))
    layer(x, training=True)
    (total,) = layer.losses
    # The scores sum to 1, so softmax gives them back and logsumexp is 0: balance 1.066667 as above,
    # z 0; weights 0.9, 0.6 and 0.7: importance 1.132231.
    expected = 0.1 * 1.066667 + 0.001 * 1.132231
    assert value(total) == pytest.approx(expected, abs=1e-6)
    found = layer.routing_statistics()
    assert found["balance_loss"] == pytest.approx(1.066667, abs=1e-6)
    assert found["z_loss"] == pytest.approx(0.0, abs=1e-6)
    assert found["importance_loss"] == pytest.approx(1.132231, abs=1e-6)
    assert found["aux_loss"] == pytest.approx(expected, abs=1e-6)
    layer(x, training=False)
    assert layer.losses == []


def test_weight_0_adds_no_loss():
    layer, x = layer_with_logits(TopKRouter(k=1, balance_loss=0.0), np.log(SCORES))
    layer(x, training=True)
    assert layer.losses == []


def test_sparsity_loss_by_hand():
    logits = np.array([[0.5, -1.0], [0.2, 0.4], [0.3, -0.1]], "float32")
    router = ReLURouter(k=1, l1_initial=0.01, l1_multiplier=2.0)
    layer, x = layer_with_logits(router, logits)
    layer(x, training=True)
    # Open: expert 0 three times, expert 1 once. f = E / (k N) * load = 2 / 3 * (3, 1) = (2, 2/3).
    # Gates sum to 1.0 and 0.4: (2 * 1.0 + 2/3 * 0.4) / 3 = 0.755556.
    found = layer.routing_statistics()
    assert found["sparsity_loss"] == pytest.approx(0.755556, abs=1e-6)
    # 4 open assignments are more than k N = 3, so the coefficient doubles, to 0.02.
    assert float(to_numpy(router.l1_coefficient)) == pytest.approx(0.02)
    assert value(layer.losses[0]) == pytest.approx(0.02 * 0.755556, abs=1e-7)
