"""DepthSharedMixtureOfExperts: one bank, several depths, each with its own router."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import DepthSharedMixtureOfExperts, MixtureOfExperts, MLPExperts
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.models import active_params, flops_per_example, layer_costs, total_params
from tests.support.gradients import layer_gradients, to_numpy


def shared(depth=2, **arguments):
    return DepthSharedMixtureOfExperts(MLPExperts(4, 8), depth, **arguments)


def stack(layer):
    """Each depth on the normalised output of the one before, added to it."""
    inputs = x = keras.Input((6,))
    for depth in range(layer.num_depths):
        x = x + layer(keras.layers.LayerNormalization()(x), depth=depth)
    return keras.Model(inputs, x)


def draw(rows=20):
    return np.random.default_rng(0).normal(size=(rows, 6)).astype("float32")


def test_each_depth_is_a_mixture_of_the_same_experts():
    layer = shared(router={"type": "top_k", "k": 1})
    layer.build((None, 6))
    alone = [MixtureOfExperts(MLPExperts(4, 8), k=1) for _ in range(2)]
    x = draw()
    outputs = []
    for depth, mixture in enumerate(alone):
        mixture.build((None, 6))
        for one, other in zip(mixture.experts.weights, layer.experts.weights, strict=True):
            one.assign(other)
        mixture.router.kernel.assign(layer.router[depth].kernel)
        outputs.append(to_numpy(layer(x, depth=depth)))
        np.testing.assert_allclose(outputs[depth], to_numpy(mixture(x)), rtol=1e-5, atol=1e-6)
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3  # The routers differ.


def test_experts_get_the_gradients_of_all_depths():
    layer = shared(router={"type": "top_k", "balance_loss": 0.0})
    layer.build((None, 6))
    x = draw()
    found = []
    for depths in ((0,), (1,), (0, 1)):

        def loss(outputs, depths=depths):
            total = 0 * ops.sum(outputs)
            return total + sum(ops.sum(layer(x, depth=depth)) for depth in depths)

        _, gradients = layer_gradients(layer, x, loss, depth=0)
        found.append({name: g for name, g in gradients.items() if "expert" in name})
    for name in found[0]:
        np.testing.assert_allclose(
            found[0][name] + found[1][name], found[2][name], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("seed", [None, 3])
def test_every_depth_has_its_own_router(seed):
    initializer = keras.initializers.GlorotUniform(seed=seed)
    layer = shared(3, router={"type": "top_k", "kernel_initializer": initializer})
    layer.build((None, 6))
    kernels = [to_numpy(router.kernel) for router in layer.router]
    assert all(np.abs(kernels[0] - other).max() > 0.01 for other in kernels[1:])


def test_it_is_saved_once_and_reloads(tmp_path):
    model = stack(shared(shared_expert=keras.layers.Dense(6)))
    model.compile("adam", "mse")
    x = draw()
    model.fit(x, x, verbose=0)
    paths = [w.path for w in model.weights]
    assert len(set(paths)) == len(paths)
    assert sum("expert_up_kernel" in path for path in paths) == 1
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))
    assert loaded.count_params() == model.count_params()
    # Still one bank: what changes it changes both depths.
    (layer,) = (one for one in loaded.layers if isinstance(one, DepthSharedMixtureOfExperts))
    assert len({id(mixture.experts) for mixture in layer.mixtures}) == 1
    before = [to_numpy(layer(x, depth=depth)) for depth in range(2)]
    for weight in layer.experts.weights:
        weight.assign(weight + 1)
    for depth in range(2):
        assert np.abs(to_numpy(layer(x, depth=depth)) - before[depth]).max() > 0.1
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))


def test_statistics_and_losses_are_each_depths_own():
    model = stack(shared(router={"type": "top_k", "balance_loss": 1.0}))
    found = mixtures(model)
    assert [mixture.name for mixture in found] == ["depth0", "depth1"]
    model(draw(), training=True)
    assert len(model.losses) == 2
    assert [mixture.routing_statistics()["assigned"] for mixture in found] == [40, 40]
    loads = [mixture.routing_statistics()["load"] for mixture in found]
    assert not np.array_equal(*loads)
    paths = [path for mixture in found for path, _, _ in mixture.recorded()]
    assert len(set(paths)) == 2


def test_cost():
    model = stack(shared(3, shared_expert=keras.layers.Dense(6)))
    expert, router, norm, always = 6 * 8 + 8 + 8 * 6 + 6, 6 * 4, 3 * 12, 42
    assert total_params(model) == 4 * expert + 3 * router + norm + always
    # Three depths that choose two of four: all of them, at worst.
    assert active_params(model) == total_params(model)
    assert flops_per_example(model) == 3 * 2 * (router + 2 * 2 * 6 * 8 + 36)
    two = stack(shared(2, router={"type": "top_k", "k": 1}))
    assert total_params(two) - active_params(two) == 2 * expert
    costs = {cost.type: cost for cost in layer_costs(two)}
    cost = costs["DepthSharedMixtureOfExperts"]
    assert (cost.params, cost.active) == (4 * expert + 2 * router, 2 * expert + 2 * router)
    assert cost.flops == 2 * 2 * (router + 2 * 6 * 8)


@pytest.mark.parametrize("depth", [-1, 2, 1.0, True, None])
def test_no_such_depth(depth):
    with pytest.raises(ValueError, match="from 0 to 1"):
        shared()(draw(), depth=depth)


def test_mistakes():
    with pytest.raises(ValueError, match="one router for each of 2"):
        shared(router=["top_k"])
    with pytest.raises(ValueError, match="router of its own"):
        shared(router=MixtureOfExperts(MLPExperts(4, 8)).router)


def test_masks():
    layer = shared()
    x = np.ones((2, 3, 6), "float32")
    mask = np.array([[1, 0, 0], [1, 1, 1]], bool)
    y = to_numpy(layer(x, depth=1, mask=mask))
    assert not y[0, 1:].any() and y[0, 0].any()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_compiled_training_agrees():
    losses = []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        model = stack(shared(router={"type": "top_k", "balance_loss": 0.1}))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        x = draw()
        losses.append(model.fit(x, x, epochs=2, batch_size=10, shuffle=False, verbose=0))
    np.testing.assert_allclose(*(one.history["loss"] for one in losses), rtol=1e-4)
