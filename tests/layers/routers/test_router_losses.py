"""The losses of a router reach `fit` and its logs, and know what a sequence is."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import losses
from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import (
    DenseExperts,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    TopKRouter,
)
from tests.support.gradients import layer_gradients, to_numpy

RNG = np.random.default_rng(8)
X = RNG.normal(size=(3, 7, 5)).astype("float32")
MASK = np.arange(7) < np.array([[7], [4], [0]])  # Whole, padded, and nothing but padding.


def mixture(**losses_):
    router = TopKRouter(k=2, **{"balance_loss": 0.0, **losses_})
    return MixtureOfExperts(DenseExperts(4, 3), router=router)


def recorded_loss(layer, x=X, mask=None):
    layer(x, mask=mask, training=True)
    return float(to_numpy(layer.losses[0]))


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
def test_sequences_are_the_examples_of_the_batch(mask):
    layer = mixture(sequence_balance_loss=0.5)
    found = recorded_loss(layer, mask=mask)
    of_each = []
    for n, example in enumerate(X):
        real = example if mask is None else example[mask[n]]
        if len(real):
            alone = mixture(balance_loss=0.5)
            alone.build(real.shape)
            alone.router.kernel.assign(layer.router.kernel)
            of_each.append(recorded_loss(alone, real))
    assert found == pytest.approx(np.mean(of_each), rel=1e-5)
    assert layer.routing_statistics()["sequence_balance_loss"] == pytest.approx(2 * found)


def test_rank_4_has_sequences_of_pixels():
    flat, layer = mixture(sequence_balance_loss=1.0), mixture(sequence_balance_loss=1.0)
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    layer.build(x.shape)
    flat.build((2, 12, 5))
    flat.router.kernel.assign(layer.router.kernel)
    assert recorded_loss(layer, x) == pytest.approx(recorded_loss(flat, x.reshape(2, 12, 5)))


def test_rows_are_no_sequences():
    with pytest.raises(ValueError, match=r"needs inputs \[batch, time, D\]"):
        mixture(sequence_balance_loss=0.1)(X[0])
    routers = {"a": TopKRouter(k=1), "b": TopKRouter(k=1, sequence_balance_loss=0.1)}
    with pytest.raises(ValueError, match="sequence_balance_loss"):
        MultiGateMixtureOfExperts(DenseExperts(4, 3), routers)(X[0])


def test_gates_balance_their_sequences():
    weights = {"balance_loss": 0.0, "sequence_balance_loss": 0.5}
    routers = {"a": TopKRouter(k=2, **weights), "b": TopKRouter(k=1, balance_loss=0.0)}
    layer = MultiGateMixtureOfExperts(DenseExperts(4, 3), routers)
    found = recorded_loss(layer, mask=MASK)
    alone = mixture(**weights)
    alone.build(X.shape)
    alone.router.kernel.assign(routers["a"].kernel)
    assert found == pytest.approx(recorded_loss(alone, mask=MASK), rel=1e-6)


def test_entropy_losses_are_weighted():
    layer = mixture(mean_entropy_loss=0.5, token_entropy_loss=0.25)
    found = recorded_loss(layer, mask=MASK)
    scores = ops.softmax(X.reshape(-1, 5) @ to_numpy(layer.router.kernel))
    mask = ops.convert_to_tensor(MASK.reshape(-1))
    expected = [losses.mean_entropy_loss(scores, mask), losses.token_entropy_loss(scores, mask)]
    expected = [float(to_numpy(one)) for one in expected]
    assert found == pytest.approx(0.5 * expected[0] + 0.25 * expected[1], rel=1e-5)
    statistics = layer.routing_statistics()
    assert statistics["mean_entropy_loss"] == pytest.approx(expected[0], rel=1e-5)
    assert statistics["token_entropy_loss"] == pytest.approx(expected[1], rel=1e-5)


def test_load_loss_knows_the_noise():
    router = TopKRouter(k=2, noise=True, load_loss=0.5, balance_loss=0.0, num_experts=4)
    layer = MixtureOfExperts(DenseExperts(4, 3), router=router)
    mask = ops.convert_to_tensor(MASK.reshape(-1))
    layer.build(X.shape)
    router.noise_kernel.assign(RNG.normal(size=(5, 4)))
    routing = router(ops.convert_to_tensor(X.reshape(-1, 5)), mask=mask, training=True)
    expected = losses.load_loss(
        routing["clean_logits"], routing["logits"], routing["noise_stddev"], 2, mask
    )
    ((weight, value),) = router.auxiliary_losses(routing, None, mask).values()
    assert weight == 0.5 and float(to_numpy(value)) == float(to_numpy(expected)) > 1.0
    _, found = layer_gradients(layer, X, lambda y: 0.0 * ops.sum(y), mask=MASK, training=True)
    assert all(np.abs(gradient).max() > 1e-4 for gradient in found.values() if gradient.any())
    assert sum(gradient.any() for gradient in found.values()) == 2  # Both kernels of the router.
    layer(X, mask=MASK, training=True)
    assert layer.routing_statistics()["load_loss"] > 1.0


def test_load_loss_needs_noise_and_a_choice():
    with pytest.raises(ValueError, match="needs noise"):
        TopKRouter(k=2, load_loss=0.1)
    with pytest.raises(ValueError, match="nothing to balance"):
        TopKRouter(k=2, load_loss=0.1, noise=True, num_experts=2).build((None, 3))


@pytest.mark.parametrize(
    "name", ["sequence_balance_loss", "mean_entropy_loss", "token_entropy_loss"]
)
def test_each_loss_moves_the_router_and_padding_moves_nothing(name):
    layer = mixture(**{name: 1.0})
    layer.build(X.shape)
    # Off the saddle at which a router that knows nothing stands.
    layer.router.kernel.assign(RNG.normal(size=(5, 4)))
    dx, found = layer_gradients(layer, X, lambda y: 0.0 * ops.sum(y), mask=MASK, training=True)
    assert np.abs(found[key_of(found)]).max() > 1e-4
    assert np.abs(dx[MASK]).max() > 0 and not dx[~MASK].any()


def key_of(found):
    (key,) = (name for name in found if name.endswith("router_kernel"))
    return key


NAMES = {"sequence_balance_loss", "mean_entropy_loss", "token_entropy_loss"}


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_logs_them(jit):
    layer = mixture(**dict.fromkeys(NAMES, 0.01))
    model = keras.Sequential([keras.Input((None, 5)), layer])
    model.compile("sgd", "mse", jit_compile=jit)
    callback = ExpertLoad(per_layer=True)
    history = model.fit(X, X[..., :3], callbacks=[callback], epochs=2, verbose=0).history
    logged = {name: history[f"{layer.path}/{name}"] for name in NAMES}
    assert np.isfinite(list(logged.values())).all()
    total = 0.01 * sum(values[-1] for values in logged.values())
    assert history["aux_loss"][-1] == pytest.approx(total, rel=1e-4)
