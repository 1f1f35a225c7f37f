"""What single routers promise beyond the contract and the loop."""

import keras
import numpy as np
import pytest

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import (
    BalancedRouter,
    DenseExperts,
    DenseRouter,
    MixtureOfExperts,
    ReLURouter,
    Router,
    ThresholdRouter,
    TopKRouter,
    UniformRouter,
)
from sparse_keras.layers.routers import ROUTERS, router_from
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.quick import slow_but_for


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.parametrize("name", ROUTERS)
def test_routing_is_a_dict_in_functional_models(name):
    layer = MixtureOfExperts(DenseExperts(4, 3), router=name)
    inputs = keras.Input((None, 6))
    outputs, routing = layer(inputs, return_routing=True)
    model = keras.Model(inputs, {"outputs": outputs, **routing})
    x = draw(2, 5, 6)
    found = model.predict(x, verbose=0)
    expected, eager = layer(x, return_routing=True)
    np.testing.assert_allclose(found.pop("outputs"), to_numpy(expected), rtol=1e-5, atol=1e-6)
    keys = {"expert_index", "weight", "is_open", "scores", "logits"}
    keys |= {"selector_entropy"} if name == "dselect_k" else set()
    assert set(found) == set(routing) == set(eager) == keys
    for key in keys:
        assert tuple(routing[key].shape) == (None, found[key].shape[1])
        assert keras.backend.standardize_dtype(routing[key].dtype) == str(found[key].dtype)
        np.testing.assert_allclose(found[key], to_numpy(eager[key]), rtol=1e-5, atol=1e-6)
        assert len(found[key]) == 10


@pytest.mark.parametrize("name", ROUTERS)
def test_routes_in_float32_under_every_policy(name):
    def route(policy):
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(4)
        router = ROUTERS[name](num_experts=64)
        return router, router(draw(200, 32))

    router, expected = route("float32")
    for policy in ("mixed_bfloat16", "mixed_float16", "bfloat16"):
        router, routing = route(policy)
        assert router.compute_dtype == "float32"
        assert all(weight.dtype == "float32" for weight in router.weights)
        for key, tensor in routing.items():
            assert keras.backend.standardize_dtype(tensor.dtype) in ("float32", "int32", "bool")
            np.testing.assert_array_equal(to_numpy(tensor), to_numpy(expected[key]))


@pytest.mark.parametrize("name", ROUTERS)
def test_every_expert_that_got_a_token_learns(name):
    layer = MixtureOfExperts(DenseExperts(8, 3, "linear"), router=name)
    x, upstream = draw(6, 5), draw(6, 3, seed=1)
    layer.build(x.shape)
    _, routing = layer(x, return_routing=True)
    used = np.unique(to_numpy(routing["expert_index"])[to_numpy(routing["is_open"]) > 0])
    _, found = layer_gradients(layer, x, lambda y: keras.ops.sum(keras.ops.multiply(y, upstream)))
    (gradient,) = [g for path, g in found.items() if path.endswith("expert_kernel")]
    norms = np.abs(gradient).max(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(norms), used.astype(int))


def train_relu_router(epochs, **kwargs):
    """Twelve experts on centred inputs, a target of two; losses and experts per token."""
    router = ReLURouter(k=2, **kwargs)
    layer = MixtureOfExperts(keras.layers.Dense(8), num_experts=12, router=router)
    model = keras.Sequential([keras.Input((16,)), layer])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    x = draw(512, 16)
    load = ExpertLoad(per_layer=True)
    y = np.tanh(x[:, :8])
    logs = model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[load]).history
    return logs, logs[f"{layer.path}/experts_per_token"]


@pytest.mark.slow
def test_relu_router_reaches_its_target():
    _, opened = train_relu_router(32, l1_initial=1e-3, l1_multiplier=1.05)
    assert opened[0] > 4  # Half of the gates are positive at the start.
    assert np.mean(opened[-3:]) == pytest.approx(2, rel=0.15)


def test_relu_router_does_not_ruin_training_by_default():
    """A coefficient that only ever grows drowns the task: inputs that are centred keep half of the
    gates open whatever the kernel is, unless gates have a bias."""
    logs, opened = train_relu_router(24, l1_initial=1e-3)
    assert logs["loss"][-1] < logs["loss"][0]
    assert opened[-1] < 3


def test_relu_coefficient_by_hand():
    router = ReLURouter(k=1, l1_initial=0.5, l1_multiplier=2.0, num_experts=2)
    router.build((None, 2))
    router.kernel.assign(np.eye(2))
    both, none = np.ones((3, 2), "float32"), -np.ones((3, 2), "float32")
    router(both)  # Not in training.
    assert float(to_numpy(router.l1_coefficient)) == 0.5
    router(both, training=True)  # 2 open, more than 1.
    assert float(to_numpy(router.l1_coefficient)) == 1.0
    assert float(to_numpy(router.average_open)) == 2.0
    router(none, training=True)
    # A tenth of the way to 0; 50 steps of -0.2 more would lead far below the target.
    assert float(to_numpy(router.average_open)) == pytest.approx(1.8)
    assert float(to_numpy(router.l1_coefficient)) == 0.5
    # One of three tokens counts: 2 open assignments for 1 token are too many.
    mask = np.array([True, False, False])
    router(both, mask=keras.ops.convert_to_tensor(mask), training=True)
    assert float(to_numpy(router.average_open)) == pytest.approx(1.82)
    assert float(to_numpy(router.l1_coefficient)) == 1.0
    # Still more than one, but falling: 1.738 - 50 * 0.082 is less.
    one = np.array([[1.0, -1.0]] * 3, "float32")
    router(one, training=True)
    assert float(to_numpy(router.average_open)) == pytest.approx(1.738)
    assert float(to_numpy(router.l1_coefficient)) == 0.5


def test_a_token_with_no_open_gate():
    shared = keras.layers.Dense(3)
    layer = MixtureOfExperts(
        DenseExperts(4, 3, bias_initializer="ones"), router="relu", shared_expert=shared
    )
    x = draw(5, 6)
    layer.build(x.shape)
    layer.router.kernel.assign(np.zeros((6, 4)))
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(shared(x)), rtol=1e-6)


@keras.saving.register_keras_serializable(package="tests")
class FirstExperts(Router):
    """A user's own router: always the first two experts."""

    experts_per_token = 2

    def route(self, logits):
        scores = keras.ops.softmax(logits)
        index = keras.ops.zeros_like(logits[:, :2], dtype="int32") + np.array([0, 1], "int32")
        return {
            "expert_index": index,
            "weight": scores[:, :2],
            "is_open": keras.ops.ones_like(index, dtype="bool"),
            "scores": scores,
        }


def test_a_router_of_ones_own(tmp_path):
    layer = MixtureOfExperts(DenseExperts(4, 3), router=FirstExperts(balance_loss=0.1))
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile("sgd", "mse")
    x = draw(8, 6)
    model.fit(x, x[:, :3], verbose=0)
    np.testing.assert_allclose(layer.routing_statistics()["load"], [0.5, 0.5, 0, 0])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_normalized_weights_sum_to_1():
    routing = TopKRouter(k=3, num_experts=8)(draw(10, 6))
    np.testing.assert_allclose(to_numpy(routing["weight"]).sum(1), 1.0, rtol=1e-6)
    raw = TopKRouter(k=3, num_experts=8, normalize=False)(draw(10, 6))
    assert to_numpy(raw["weight"]).sum(1).max() < 1.0


def test_costs():
    """By hand: D = 6, E = 4, K = 2, units 3."""
    layer = MixtureOfExperts(DenseExperts(4, 3), shared_expert=keras.layers.Dense(3))
    layer.build((None, 6))
    # Router 2 * 6 * 4, experts 2 * (2 * 6 * 3), shared 2 * 6 * 3.
    assert layer.flops_per_token(6) == 48 + 72 + 36
    assert layer.flops_per_example((None, 5, 6)) == 5 * (48 + 72 + 36)
    # Router 6 * 4, shared 6 * 3 + 3, two experts of 6 * 3 + 3.
    assert layer.active_params() == 24 + 21 + 42
    # All four experts, and the statistics, which are not trainable.
    assert layer.count_params() == 24 + 21 + 84 + layer.statistics["router"].count_params()


def test_routers_that_open_every_expert_refuse_what_has_no_effect():
    with pytest.raises(ValueError, match="balance loss is constant"):
        DenseRouter(balance_loss=0.1)
    for arguments in ({"jitter": 0.1}, {"importance_loss": 1.0}, {"kernel_initializer": "zeros"}):
        with pytest.raises(ValueError, match=f"no effect. Received: {next(iter(arguments))}="):
            UniformRouter(**arguments)


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.parametrize(
    "name", slow_but_for(("top_k", "hierarchical", "dselect_k"), sorted(set(ROUTERS) - {"uniform"}))
)
def test_a_frozen_router_stays_as_it_was_drawn(name, tmp_path):
    """Also once the model is loaded: Keras sets `trainable` of a whole model there."""
    router = {"type": name, "trainable": False}
    layer = MixtureOfExperts(DenseExperts(4, 3), router=router, name="mixture")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    x = draw(64, 6)
    before, experts = to_numpy(layer.router.kernel), to_numpy(layer.experts.weights[0])
    model.fit(x, x[:, :3], verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.fit(x, x[:, :3], verbose=0)
    mixture = loaded.get_layer("mixture")
    for router in (layer.router, mixture.router):
        assert not router.trainable and router.trainable_weights == []
        np.testing.assert_array_equal(to_numpy(router.kernel), before)
    assert np.any(to_numpy(mixture.experts.weights[0]) != experts)


@pytest.mark.parametrize("name", sorted(ROUTERS))
@pytest.mark.parametrize("experts", [2, 7])
def test_what_a_router_chose_weighs_what_it_said(name, experts):
    if name == "hierarchical":
        experts += experts % 2 or 2  # Of even groups, with more than one expert each.
    router = ROUTERS[name](num_experts=experts)
    routing = router(draw(50, 6))
    again = router.weigh(routing["logits"], routing["expert_index"], routing["is_open"])
    np.testing.assert_allclose(to_numpy(again), to_numpy(routing["weight"]), rtol=1e-5)


def test_weights_of_experts_that_were_not_chosen():
    logits = keras.ops.convert_to_tensor(np.log([[0.5, 0.3, 0.15, 0.05]]).astype("float32"))
    last_two = np.array([[3, 2]], "int32")
    every, first = np.ones((1, 2), bool), np.array([[True, False]])

    def weigh(router, index=last_two, is_open=every):
        router.build((None, 6))
        tensors = keras.ops.convert_to_tensor(index), keras.ops.convert_to_tensor(is_open)
        return to_numpy(router.weigh(logits, *tensors))[0]

    near = {"rtol": 1e-5}
    np.testing.assert_allclose(weigh(TopKRouter(2, 4)), [0.25, 0.75], **near)
    np.testing.assert_allclose(weigh(TopKRouter(2, 4, normalize=False)), [0.05, 0.15], **near)
    # One expert a token: it is weighed against the best of the others.
    one = weigh(TopKRouter(1, 4), last_two[:, :1], every[:, :1])
    np.testing.assert_allclose(one, [0.05 / 0.55], **near)
    np.testing.assert_allclose(weigh(DenseRouter(4), is_open=first), [0.05, 0.0], **near)
    # Odds of p against 1.
    gates = np.array([0.05 / 1.05, 0.15 / 1.15])
    np.testing.assert_allclose(weigh(ThresholdRouter(num_experts=4)), gates, **near)
    normalized = ThresholdRouter(num_experts=4, normalize=True)
    np.testing.assert_allclose(weigh(normalized), gates / gates.sum(), **near)
    np.testing.assert_allclose(weigh(ReLURouter(num_experts=4)), [0.0, 0.0])
    np.testing.assert_allclose(weigh(UniformRouter(4), is_open=first), [0.25, 0.0])


@pytest.mark.parametrize(
    "cls, arguments",
    [
        (BalancedRouter, {"k": 2}),
        (ThresholdRouter, {"threshold": 0.0, "normalize": True}),
        (TopKRouter, {"k": 2, "select_on": "score_plus_bias"}),
    ],
)
def test_gradients_are_finite_where_all_scores_round_to_zero(cls, arguments):
    """The chosen experts of the first row score 0, and sigmoid gates of the second are 1e-22."""
    x = np.array([[-250.0, -250.0, 0.0, 0.0], [-50.0, -50.0, -50.0, -50.0]], "float32")
    router = cls(num_experts=4, **arguments)
    router.build((None, 4))
    router.kernel.assign(np.eye(4))
    if isinstance(router, TopKRouter):
        router.selection_bias.assign([9.0, 9.0, 0.0, 0.0])
    dx, found = layer_gradients(router, x, lambda y: keras.ops.sum(keras.ops.square(y["weight"])))
    assert np.isfinite(dx).all()
    assert all(np.isfinite(gradient).all() for gradient in found.values())


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="no mixture takes none on JAX")
@pytest.mark.parametrize("name", ["top_k", "hierarchical", "sinkhorn", "cosine", "expert_choice"])
def test_no_tokens(name):
    layer = MixtureOfExperts(DenseExperts(8, 3), router=name)
    layer(np.ones((2, 4), "float32"))
    for training in (False, True):
        assert tuple(layer(np.ones((0, 4), "float32"), training=training).shape) == (0, 3)


@pytest.mark.tensorflow  # Others make float32 of NumPy's float64.
@pytest.mark.parametrize("name", ["top_k", "hierarchical", "sinkhorn", "cosine", "expert_choice"])
def test_routers_of_float64(name):
    more = {"threshold_decay": 0.9} if name == "expert_choice" else {}
    router = router_from({"type": name, "num_experts": 8, "dtype": "float64", **more})
    x = np.random.default_rng(0).normal(size=(6, 4))
    for training in (True, False):
        routing = router(x, training=training)
        assert keras.backend.standardize_dtype(routing["weight"].dtype) == "float64"
