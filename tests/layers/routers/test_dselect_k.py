"""DSelectKRouter beyond the contract and the loop: codes, entropy loss, and where it ends."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import DenseExperts, DSelectKRouter, MixtureOfExperts
from sparse_keras.layers.routers.dselect_k import smooth_step
from tests.support import reference
from tests.support.gradients import to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def decided(num_experts, codes, gamma=1.0):
    """A static router whose selectors spell the codes, the i-th with i times the first's weight."""
    router = DSelectKRouter(len(codes), per_example=False, gamma=gamma, num_experts=num_experts)
    router.build((None, 3))
    bits = [[1.0 if code >> b & 1 else -1.0 for b in range(router.bits)] for code in codes]
    alpha = np.log(np.arange(1, len(codes) + 1))
    router.kernel.assign(np.concatenate([alpha, gamma / 2 * np.ravel(bits)]))
    return router


def test_the_smooth_step_by_hand():
    z = np.array([-5.0, -1.0, -0.5, 0.0, 0.5, 1.0, 5.0], "float32")
    # gamma = 2: -2/8 z^3 + 3/4 z + 1/2.
    expected = [0.0, 0.0, 0.15625, 0.5, 0.84375, 1.0, 1.0]
    np.testing.assert_allclose(to_numpy(smooth_step(z, 2.0)), expected, rtol=1e-6)


@pytest.mark.parametrize("num_experts", [1, 2, 3, 5, 6, 7, 8, 12])
def test_every_code_is_an_expert(num_experts):
    """Codes beyond E ignore their first bit: for E = 6, 6 and 7 are 2 and 3."""
    bits = DSelectKRouter(1, num_experts=num_experts).bits
    assert 2 ** (bits - 1) < num_experts <= 2**bits
    for code in range(2**bits):
        routing = decided(num_experts, [code])(np.ones((2, 3), "float32"))
        expert = code if code < num_experts else code - 2 ** (bits - 1)
        np.testing.assert_array_equal(to_numpy(routing["weight"])[1], np.eye(num_experts)[expert])
        assert to_numpy(routing["is_open"]).sum() == 2


@pytest.mark.parametrize("num_experts", [1, 3, 6, 8, 11])
def test_weights_sum_to_1_and_equal_the_loop(num_experts):
    k = min(3, num_experts)
    router = DSelectKRouter(
        k, num_experts=num_experts, gamma=2.0, kernel_initializer="random_normal"
    )
    router.build((None, 6))
    router.kernel.assign(draw(*router.kernel.shape, seed=1))
    x = draw(40, 6)
    weight = to_numpy(router(x)["weight"])
    np.testing.assert_allclose(weight.sum(1), 1.0, rtol=1e-5)
    values = x @ reference.weights_of(router)["router_kernel"]
    expected = reference.dselect_k(values, None, k, num_experts, 2.0)[1]
    np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)


def test_selectors_that_agree_add_up():
    routing = decided(6, [4, 1, 4])(np.ones((1, 3), "float32"))
    np.testing.assert_allclose(
        to_numpy(routing["weight"])[0], [0, 1 / 3, 0, 0, 2 / 3, 0], rtol=1e-6
    )
    assert float(to_numpy(routing["selector_entropy"])[0, 0]) == 0.0


def entropy_of(layer, x, **arguments):
    layer(x, training=True, **arguments)
    (loss,) = layer.losses
    return float(to_numpy(loss))


def test_the_entropy_loss_does_not_depend_on_the_batch():
    router = DSelectKRouter(2, entropy_loss=0.5, gamma=4.0, kernel_initializer="glorot_uniform")
    layer = MixtureOfExperts(DenseExperts(6, 3), router=router)
    x = draw(8, 6)
    once = entropy_of(layer, x)
    assert entropy_of(layer, np.tile(x, (5, 1))) == pytest.approx(once, rel=1e-5)
    # Nor on padding.
    padded = np.concatenate([x, np.full((4, 6), 9.0, "float32")])
    assert entropy_of(layer, padded, mask=np.arange(12) < 8) == pytest.approx(once, rel=1e-5)
    values = x @ reference.weights_of(router)["router_kernel"]
    by_hand = []
    for row in values:
        for z in row[2:].reshape(2, -1):
            r = reference.selector(z, 6, 4.0)
            by_hand.append(-(r[r > 0] * np.log(r[r > 0])).sum() / np.log(6))
    assert once == pytest.approx(0.5 * np.mean(by_hand), rel=1e-4)


def test_the_entropy_loss_is_1_for_selectors_that_are_undecided():
    router = DSelectKRouter(2, kernel_initializer="zeros", entropy_loss=1.0)
    layer = MixtureOfExperts(DenseExperts(8, 3), router=router)
    assert entropy_of(layer, draw(4, 6)) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.usefixtures("eager_functions")
def test_warmup_counts_training_steps(tmp_path):
    """Not calls: the layer is called twice in each step. Saved, so that a training may go on."""
    router = DSelectKRouter(2, kernel_initializer="zeros", entropy_warmup_steps=8, entropy_loss=0.4)
    layer = MixtureOfExperts(DenseExperts(4, 6), router=router, name="mixture")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layer(layer(inputs)))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = draw(12, 6)
    model.predict(x, verbose=0)
    assert float(to_numpy(router.steps)) == 0
    model.fit(x, x, batch_size=4, epochs=1, verbose=0)
    assert float(to_numpy(router.steps)) == 3
    # The layer's own mean over calls, of steps 1, 2 and 3.
    assert layer.routing_statistics()["aux_loss"] == pytest.approx(0.4 * 2 / 8, rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.fit(x, x, batch_size=2, epochs=2, verbose=0)
    again = loaded.get_layer("mixture").router
    assert float(to_numpy(again.steps)) == 8  # And no further.


def train_on_pairs(seed):
    """Three kinds of inputs, and experts held fixed: the target is the mean of two of six experts,
    another pair for each kind. Returns the experts open in the end, for each example, and the
    model's loss beside that of the best single expert for each kind."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    kind = np.arange(60) % 3
    x = (3 * np.eye(3)[kind] + 0.1 * rng.normal(size=(60, 3))).astype("float32")
    every = rng.normal(size=(6, 16)).astype("float32")
    bank = DenseExperts(6, 16, kernel_initializer="zeros")
    bank.trainable = False
    bank.build((None, 3))
    (bias,) = (weight for weight in bank.weights if weight.name == "expert_bias")
    bias.assign(every)
    pairs = np.array([[0, 5], [2, 3], [1, 4]])
    y = every[pairs].mean(1)[kind]
    router = DSelectKRouter(2, entropy_loss=1.0, entropy_warmup_steps=400)
    layer = MixtureOfExperts(bank, router=router)
    model = keras.Sequential([keras.Input((3,)), layer])
    # Drawn here, to be the same everywhere; and wider than by default, where selectors start alike
    # and more often end alike.
    router.kernel.assign(rng.uniform(-0.2, 0.2, router.kernel.shape))
    steps = 1 if keras.backend.backend() == "torch" else 50
    model.compile(keras.optimizers.Adam(0.02), "mse", steps_per_execution=steps)
    # One long epoch: 500 steps of all examples.
    long = [np.tile(values, (500, 1)) for values in (x, y)]
    model.fit(*long, batch_size=60, shuffle=False, verbose=0)
    _, routing = layer(x, return_routing=True)
    alone = ((every[pairs[:, 0]] - every[pairs].mean(1)) ** 2).mean()
    return to_numpy(routing["is_open"]) > 0, model.evaluate(x, y, verbose=0), alone


@pytest.mark.parametrize(
    "seed", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1, 2, 4, 5, 6))]
)
def test_it_ends_with_exactly_k_experts(seed):
    is_open, loss, alone = train_on_pairs(seed)
    np.testing.assert_array_equal(is_open.sum(1), 2)
    assert is_open.any(0).sum() > 2  # Not the same two for all.
    assert loss < alone


@pytest.mark.slow
def test_selectors_may_agree_in_the_end():
    """From another start, both spell the same expert for one kind of input: fewer than k, and
    never more."""
    is_open, _, _ = train_on_pairs(7)
    np.testing.assert_array_equal(np.unique(is_open.sum(1)), [1, 2])
