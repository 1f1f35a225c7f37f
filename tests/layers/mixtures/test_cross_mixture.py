"""CrossMixture against a loop over rows and experts, in float64."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import CrossMixture, LowRankExperts, MLPExperts, TopKRouter
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy

ROUTERS = {"dense": lambda: "dense", "top 2": lambda: TopKRouter(k=2, balance_loss=0.0)}


def naive(layer, x, x0):
    """x0 * (sum of g_e U_e tanh(C_e tanh(V_e x)) + b) + x, from the equation."""
    bank = reference.weights_of(layer.experts)
    gate = reference.weights_of(layer.router)["router_kernel"]
    bias = np.array(keras.ops.convert_to_numpy(layer.bias), "float64")
    k = getattr(layer.router, "k", None) or layer.router.num_experts
    y = np.zeros(x.shape)
    for n, row in enumerate(x.astype("float64")):
        gates = reference.softmax(row @ gate)
        chosen = np.argsort(-gates)[:k]
        mixed = np.zeros(len(row))
        for e in chosen:
            reduced = np.tanh(row @ bank["expert_reduce_kernel"][e])
            core = np.tanh(reduced @ bank["expert_core_kernel"][e])
            mixed += gates[e] / gates[chosen].sum() * (core @ bank["expert_expand_kernel"][e])
        y[n] = x0[n] * (mixed + bias) + row
    return y


@pytest.mark.parametrize("router", ROUTERS.values(), ids=ROUTERS)
def test_equals_the_equation(router):
    rng = np.random.default_rng(0)
    x, x0 = rng.normal(size=(2, 7, 6)).astype("float32")
    layer = CrossMixture(LowRankExperts(4, 3), router=router())
    layer.build(x.shape)
    layer.bias.assign(rng.normal(size=6))
    np.testing.assert_allclose(to_numpy(layer(x, x0=x0)), naive(layer, x, x0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_numpy(layer(x)), naive(layer, x, x), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_the_equation():
    """By central differences, in every weight of the experts, the bias and the input."""
    rng = np.random.default_rng(1)
    x, x0, upstream = rng.normal(size=(3, 4, 5)).astype("float32")
    layer = CrossMixture(LowRankExperts(3, 2))
    layer.build(x.shape)
    dx, found = layer_gradients(
        layer, x, lambda y: keras.ops.sum(keras.ops.multiply(y, upstream)), x0=x0
    )

    def loss(x):
        return (naive(layer, x, x0) * upstream).sum()

    def difference(array, index, put):
        values = []
        for step in (1e-3, -1e-3):
            changed = array.copy()
            changed[index] += step
            values.append(put(changed))
        return (values[0] - values[1]) / 2e-3

    for index in np.ndindex(x.shape):
        expected = difference(x.astype("float64"), index, loss)
        assert dx[index] == pytest.approx(expected, rel=1e-2, abs=1e-3)
    for weight in layer.trainable_weights:
        before = np.array(keras.ops.convert_to_numpy(weight), "float64")
        gradient = found[weight.path.split("/", 1)[-1]]

        def put(values, weight=weight):
            weight.assign(values)
            return loss(x.astype("float64"))

        for index in np.ndindex(before.shape):
            expected = difference(before, index, put)
            assert gradient[index] == pytest.approx(expected, rel=2e-2, abs=3e-3), weight.path
        weight.assign(before)


def test_experts_differ_at_the_start():
    layer = CrossMixture(LowRankExperts(4, 3, kernel_initializer=keras.initializers.HeNormal(1)))
    layer.build((None, 6))
    for name, weight in reference.weights_of(layer.experts).items():
        assert len(np.unique(weight)) == weight.size, name


def test_flops_and_parameters():
    layer = CrossMixture(LowRankExperts(4, 3), router={"type": "top_k", "k": 2})
    layer.build((None, 6))
    assert layer.flops_per_token(6) == 2 * (6 * 4 + 2 * (6 * 3 + 3 * 3 + 3 * 6))
    assert layer.experts.count_params() == 4 * (6 * 3 + 3 * 3 + 3 * 6)


def test_experts_of_another_width():
    layer = CrossMixture(MLPExperts(4, 3, output_dim=5))
    with pytest.raises(ValueError, match="input width 6, output width 5"):
        layer.build((None, 6))
