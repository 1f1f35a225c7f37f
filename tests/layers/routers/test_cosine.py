"""CosineRouter beyond the contract and the loop: lengths, zeros, temperature, what it inherits."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import CosineRouter, DenseExperts, MixtureOfExperts, TopKRouter
from sparse_keras.optimizers import FusedOptimizer
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def plane(temperature=0.5, **kwargs):
    """A router that compares two features with four directions: 0, 90, 180 and 45 degrees."""
    router = CosineRouter(
        num_experts=4, projection_dim=2, initial_temperature=temperature, **kwargs
    )
    router.build((None, 2))
    router.kernel.assign(np.eye(2))
    router.embeddings.assign([[3.0, 0.0, -0.1, 7.0], [0.0, 0.5, 0.0, 7.0]])
    return router


def test_logits_by_hand():
    """Whatever the lengths: cosines of 30 degrees are those with 0, 90, 180 and 45."""
    x = np.array([[np.sqrt(3), 1.0], [100 * np.sqrt(3), 100.0]], "float32")
    routing = plane(temperature=0.5, k=1)(x)
    expected = np.cos(np.deg2rad([30.0, 60.0, 150.0, 15.0])) / 0.5
    np.testing.assert_allclose(to_numpy(routing["logits"]), [expected, expected], rtol=1e-5)
    np.testing.assert_array_equal(to_numpy(routing["expert_index"]), [[3], [3]])
    assert float(to_numpy(plane(0.07).log_temperature)) == pytest.approx(np.log(0.07))


def test_a_bias_is_added_after_the_division():
    router = plane(k=1, use_bias=True)
    router.bias.assign([0.0, 9.0, 0.0, 0.0])
    routing = router(np.array([[2.0, 0.0]], "float32"))
    np.testing.assert_allclose(
        to_numpy(routing["logits"])[0], [2.0, 9.0, -2.0, np.sqrt(2)], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": 1},
        {"k": 1, "normalize": False},
        {"k": 3, "score": "sqrt_softplus", "per_expert_scale": True},
        {"k": 2, "score": "identity", "use_bias": True},
        {"k": 3, "num_groups": 4, "groups_kept": 2, "select_on": "logits", "scale": 2.0},
        {"k": 2, "score": "sigmoid", "select_on": "score_plus_bias"},
    ],
    ids=str,
)
def test_all_but_the_logits_is_a_top_k_routers(arguments):
    """A TopKRouter whose matrix gives the same logits, as the input is the logits."""
    router = CosineRouter(num_experts=12, **arguments)
    x = draw(20, 6)
    found = router(x)
    logits = reference.cosine_logits(x, reference.weights_of(router))
    plain = TopKRouter(num_experts=12, kernel_initializer="identity", **arguments)
    expected = plain(logits.astype("float32"))
    for key in ("logits", "scores", "weight", "expert_index"):
        np.testing.assert_allclose(
            to_numpy(found[key]), to_numpy(expected[key]), rtol=2e-4, atol=1e-5, err_msg=key
        )


def test_zeros_have_no_direction():
    """Nor a gradient, which would be infinite; what else is in the batch learns as without them."""
    router = CosineRouter(k=2, num_experts=8, balance_loss=0.0)
    router.build((None, 5))
    x, upstream = draw(6, 5), draw(6, 2, seed=1)
    x[2] = 0.0
    x[4] = 1e-30

    def loss(rows):
        return lambda routing: ops.sum(ops.multiply(routing["weight"], upstream[rows]))

    every, some = slice(None), [0, 1, 3, 5]
    dx, found = layer_gradients(router, x, loss(every))
    np.testing.assert_array_equal(to_numpy(router(x)["logits"])[[2, 4]], 0.0)
    np.testing.assert_array_equal(dx[[2, 4]], 0.0)
    alone, expected = layer_gradients(router, x[some], loss(some))
    np.testing.assert_allclose(dx[some], alone, rtol=1e-4, atol=1e-6)
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("scale", [1e-5, 1e15])
def test_short_and_long_tokens_are_routed_alike(scale):
    router = CosineRouter(k=2, num_experts=8)
    x = draw(10, 5)
    expected, found = router(x), router(np.float32(scale) * x)
    np.testing.assert_allclose(
        to_numpy(found["weight"]), to_numpy(expected["weight"]), rtol=1e-3, atol=1e-4
    )


def test_one_expert_and_one_token():
    routing = CosineRouter(k=1, num_experts=1)(draw(1, 5))
    assert to_numpy(routing["weight"]).tolist() == [[1.0]]
    assert tuple(CosineRouter(k=1, num_experts=4)(draw(0, 5))["weight"].shape) == (0, 1)


@pytest.mark.parametrize("experts, width", [(1, 2), (3, 2), (4, 2), (5, 2), (6, 3), (64, 32)])
def test_the_space_has_half_as_many_dimensions_as_experts(experts, width):
    router = CosineRouter(k=1, num_experts=experts)
    router.build((None, 10))
    assert tuple(router.kernel.shape) == (10, width)
    assert tuple(router.embeddings.shape) == (width, experts)
    # Nor is a part of the one matrix a part of the other.
    assert not np.isin(to_numpy(router.embeddings), to_numpy(router.kernel)).any()


@pytest.mark.parametrize("make", [lambda sgd: sgd, FusedOptimizer], ids=["plain", "fused"])
def test_the_temperature_is_learned_and_kept_from_zero(make):
    router = CosineRouter(k=2, projection_dim=3, initial_temperature=0.3, balance_loss=0.0)
    layer = MixtureOfExperts(DenseExperts(4, 3, "linear"), router=router)
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile(make(keras.optimizers.SGD(0.05)), "mse", run_eagerly=make is not FusedOptimizer)
    x, y = draw(64, 6), draw(64, 3, seed=1)
    model.fit(x, y, verbose=0)
    learned = np.exp(float(to_numpy(router.log_temperature)))
    assert learned != pytest.approx(0.3, rel=1e-4) and learned > 0.01
    router.log_temperature.assign(-9.0)
    model.fit(x, y, verbose=0)
    assert np.exp(float(to_numpy(router.log_temperature))) == pytest.approx(0.01, rel=0.01)


def test_noise_is_added_to_the_logits():
    router = CosineRouter(k=2, num_experts=4, noise=True, seed=1)
    x = draw(400, 6)
    routing = {key: to_numpy(value) for key, value in router(x, training=True).items()}
    clean = to_numpy(router(x)["logits"])
    np.testing.assert_allclose(routing["clean_logits"], clean, rtol=1e-5, atol=1e-5)
    # The noise kernel is zero at first: softplus(0).
    np.testing.assert_allclose(routing["noise_stddev"], np.log(2), rtol=1e-5)
    noise = (routing["logits"] - clean) / np.log(2)
    assert abs(noise.mean()) < 0.1 and noise.std() == pytest.approx(1.0, abs=0.1)


def test_presets():
    layer = MixtureOfExperts(
        DenseExperts(32, 3), router={"type": "cosine", "preset": "deepseek_v3", "k": 4}
    )
    assert type(layer.router) is CosineRouter
    assert (layer.router.k, layer.router.score, layer.router.num_groups) == (4, "sigmoid", 8)
    assert type(CosineRouter.preset("switch", projection_dim=5)) is CosineRouter


def test_costs_count_both_matrices():
    """By hand: D = 7, E = 6, P = 3; biases of logits and of the selection."""
    router = CosineRouter(k=2, num_experts=6, use_bias=True, select_on="score_plus_bias")
    assert router.flops_per_token(7) == 2 * 7 * 3 + 2 * 3 * 6
    router.build((None, 7))
    assert router.matrix_params() == 7 * 3 + 3 * 6 + 1 + 6 + 6
    assert CosineRouter(num_experts=6, projection_dim=4).flops_per_token(7) == 2 * 4 * (7 + 6)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"projection_dim": 0}, "`projection_dim` must be a positive integer"),
        ({"initial_temperature": 0.001}, "`initial_temperature` must be a number in"),
        ({"initial_temperature": "0.1"}, "`initial_temperature` must be a number in"),
        ({"kernel_initializer": "zeros"}, "no direction of their own"),
        ({"initial_temperature": float("nan")}, "`initial_temperature` must be a number in"),
        ({"k": 1, "normalize": True}, "gradient"),
        ({"k": 5}, "Received: k=5, num_experts=4"),
        ({"load_loss": 0.1}, "`load_loss`: needs noise"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        CosineRouter(num_experts=4, **arguments).build((None, 6))
