"""MixtureOfExperts against a float64 loop over tokens: outputs and all gradients, routing held
fixed."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import (
    BalancedRouter,
    CosineRouter,
    DenseExperts,
    DenseRouter,
    DSelectKRouter,
    ExpertChoiceRouter,
    GLUExperts,
    HierarchicalRouter,
    LowRankExperts,
    MixtureOfExperts,
    MLPExperts,
    ReLURouter,
    SinkhornRouter,
    ThresholdRouter,
    TiedExperts,
    TopKRouter,
    UniformRouter,
)
from tests.layers.wrappers import FixedRouter
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.quick import slow_but_for

TOLERANCE = 1e-5  # Of the largest value of the reference.
WIDTH, OUTPUT = 6, 5

BANKS = {
    "dense": lambda e: DenseExperts(e, OUTPUT, activation="tanh", bias_initializer="normal"),
    "dense without bias": lambda e: DenseExperts(e, OUTPUT, activation="relu", use_bias=False),
    "mlp": lambda e: MLPExperts(e, 7, output_dim=OUTPUT, bias_initializer="normal"),
    "glu": lambda e: GLUExperts(e, 7, output_dim=OUTPUT, use_bias=True, bias_initializer="normal"),
    "glu without bias": lambda e: GLUExperts(e, 7, output_dim=OUTPUT, activation="tanh"),
    "clamped glu": lambda e: GLUExperts(
        e,
        7,
        output_dim=OUTPUT,
        use_bias=True,
        bias_initializer="normal",
        limit=0.7,  # Small enough to clamp some of everything.
        alpha=1.702,
        up_offset=1.0,
    ),
    "low rank": lambda e: LowRankExperts(e, 3, output_dim=OUTPUT),
    "tied": lambda e: TiedExperts(e, OUTPUT, activation="silu", bias_initializer="normal"),
}
ROUTERS = {
    "top 1": lambda: TopKRouter(k=1, balance_loss=0.0),
    "top 2": lambda: TopKRouter(k=2, balance_loss=0.0),
    "top 3, not normalized": lambda: TopKRouter(k=3, normalize=False, balance_loss=0.0),
    "top 4, bias": lambda: TopKRouter(k=4, use_bias=True, balance_loss=0.0),
    "top 2 of few groups, sigmoid and bias": lambda: TopKRouter(
        k=2,
        score="sigmoid",
        select_on="score_plus_bias",
        num_groups=4,
        groups_kept=2,
        group_score="top2_sum",
        scale=2.5,
        balance_loss=0.0,
    ),
    # At lower temperatures the gradient in the temperature, a sum over tokens and experts that
    # nearly cancels, keeps fewer digits of float32.
    "top 1 by cosine": lambda: CosineRouter(
        k=1, projection_dim=5, initial_temperature=0.5, balance_loss=0.0
    ),
    "top 2 by cosine, sigmoid and bias": lambda: CosineRouter(
        k=2,
        score="sigmoid",
        select_on="score_plus_bias",
        num_groups=4,
        groups_kept=2,
        group_score="top2_sum",
        use_bias=True,
        initial_temperature=0.5,
        balance_loss=0.0,
    ),
    "threshold": lambda: ThresholdRouter(balance_loss=0.0),
    "few over the threshold": lambda: ThresholdRouter(0.6, 2, normalize=True, balance_loss=0.0),
    "relu": lambda: ReLURouter(k=2),
    "few relu": lambda: ReLURouter(k=2, max_experts=3),
    "dense": lambda: DenseRouter(use_bias=True),
    "uniform": lambda: UniformRouter(),
    "dselect k": lambda: DSelectKRouter(k=3, kernel_initializer="glorot_uniform"),
    "2 of 2 groups": lambda: HierarchicalRouter(k=4, num_groups=4, groups_kept=2, use_bias=True),
    "1 of 1 group": lambda: HierarchicalRouter(k=1, use_bias=True),
    "3 of all groups": lambda: HierarchicalRouter(k=6, groups_kept=2, normalize=False),
    "sinkhorn 1": lambda: SinkhornRouter(k=1),
    "sinkhorn 2": lambda: SinkhornRouter(k=2, use_bias=True),
    "balanced 3": lambda: BalancedRouter(k=3),
    "balanced 1": lambda: BalancedRouter(k=1, use_bias=True),
    "balanced, equal": lambda: BalancedRouter(k=2, equal_weights=True),
    "expert choice": lambda: ExpertChoiceRouter(capacity_factor=1.3),
}
# Leading axes, E, K, share of open slots, share of tokens that are padding, experts ever chosen.
SHAPES = {
    "rank 2": ((23,), 4, 2, 1.0, 0.0, 4),
    "rank 3, masked": ((3, 7), 8, 3, 1.0, 0.3, 8),
    "rank 4, closed slots": ((2, 3, 4), 5, 4, 0.6, 0.2, 5),
    "most experts empty": ((9,), 64, 1, 1.0, 0.0, 64),
    "64 experts, 4 a token": ((40,), 64, 4, 0.8, 0.1, 64),
    "everything to one expert": ((12,), 6, 1, 1.0, 0.0, 1),
    "one token": ((1,), 16, 2, 1.0, 0.0, 16),
    "all closed": ((5,), 4, 2, 0.0, 0.0, 4),
}


def assert_close(found, expected, what):
    scale = max(np.abs(expected).max(initial=0.0), 1e-30)
    error = np.abs(found - expected).max(initial=0.0)
    assert error <= TOLERANCE * scale, f"{what}: error {error / scale:.1e}"


def draw(leading, experts, k, open_share, padding, chosen, seed=0):
    rng = np.random.default_rng([seed, experts, k])
    tokens = int(np.prod(leading))
    index = np.stack([rng.permutation(chosen)[:k] for _ in range(tokens)]).astype("int32")
    weight = rng.random((tokens, k)).astype("float32")
    is_open = rng.random((tokens, k)) < open_share
    mask = rng.random(tokens) >= padding if padding else None
    x = rng.normal(size=(*leading, WIDTH)).astype("float32")
    upstream = rng.normal(size=(*leading, OUTPUT)).astype("float32")
    return x, index, weight, is_open, mask, upstream


def check_fixed_routing(bank, shape, run_layer=None):
    leading, experts = shape[:2]
    x, index, weight, is_open, mask, upstream = draw(*shape)
    layer = MixtureOfExperts(bank(experts), router=FixedRouter(index, weight, is_open, experts))
    layer.build(x.shape)
    arguments = {} if mask is None else {"mask": mask.reshape(leading)}

    y = to_numpy((run_layer or layer)(x, **arguments))
    dx, found = layer_gradients(layer, x, lambda y: ops.sum(ops.multiply(y, upstream)), **arguments)
    if mask is not None:
        is_open = is_open & mask[:, None]
    expected_y, expected_dx, expected_dweight, expected = reference.mixture_and_gradients(
        layer.experts,
        x.reshape(-1, WIDTH).astype("float64"),
        index,
        weight.astype("float64"),
        is_open,
        upstream.reshape(-1, OUTPUT).astype("float64"),
    )
    assert_close(y, expected_y.reshape(y.shape), "outputs")
    assert_close(dx, expected_dx.reshape(dx.shape), "inputs")
    by_name = {path.rsplit("/", 1)[-1]: gradient for path, gradient in found.items()}
    assert_close(by_name.pop("router_weight"), expected_dweight, "routing weights")
    by_name.pop("router_kernel")  # A fixed routing does not depend on it.
    assert set(by_name) == set(expected)
    for name, gradient in by_name.items():
        assert_close(gradient, expected[name], name)


@pytest.mark.parametrize("shape", ["rank 3, masked", "64 experts, 4 a token"])
@pytest.mark.parametrize("bank", BANKS)
def test_banks_equal_the_loop(bank, shape):
    check_fixed_routing(BANKS[bank], SHAPES[shape])


@pytest.mark.parametrize(
    "bank, shape",
    [*(("mlp", shape) for shape in SHAPES), ("tied", "one token"), ("tied", "all closed")],
)
def test_shapes_equal_the_loop(bank, shape):
    check_fixed_routing(BANKS[bank], SHAPES[shape])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))  # Three of each bank.
def test_random_shapes_equal_the_loop(seed):
    rng = np.random.default_rng(seed)
    rank = rng.integers(2, 5)
    experts = int(rng.choice([1, 2, 3, 8, 17, 64]))
    k = int(rng.integers(1, min(4, experts) + 1))
    chosen = int(rng.integers(k, experts + 1))
    leading = tuple(int(n) for n in rng.integers(1, 7, size=rank - 1))
    shape = (leading, experts, k, rng.choice([0.5, 1.0]), rng.choice([0.0, 0.3]), chosen)
    check_fixed_routing(BANKS[list(BANKS)[seed % len(BANKS)]], shape)


def router_and_logits(name, experts=8, tokens=30, seed=0):
    router = ROUTERS[name]()
    router.set_num_experts(experts)
    router.build((None, WIDTH))
    if router.use_bias:
        for bias in (router.bias, getattr(router, "group_bias", None)):
            if bias is not None:
                bias.assign(np.linspace(-0.5, 0.5, bias.shape[0]))
    x = np.random.default_rng(seed).normal(size=(tokens, WIDTH)).astype("float32")
    weights = reference.weights_of(router)
    return router, x, logits_of(weights, x, experts)


def logits_of(weights, x, experts=8):
    if "router_embeddings" in weights:
        return reference.cosine_logits(x, weights)
    if "router_group_kernel" in weights:
        return reference.two_level_logits(x, weights)
    if "router_kernel" not in weights:
        return np.zeros((len(x), experts))
    return x @ weights["router_kernel"] + weights.get("router_bias", 0.0)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ROUTERS)
def test_routers_equal_the_loop(name, masked, training):
    router, x, logits = router_and_logits(name)
    mask = np.arange(len(x)) % 3 > 0 if masked else None
    index, weight, is_open = reference.route(router, logits, mask, training=training)
    given = None if mask is None else ops.convert_to_tensor(mask)
    found = router(x, mask=given, training=training)
    kept = found["is_open"] = np.array(ops.convert_to_numpy(found["is_open"]))
    np.testing.assert_array_equal(kept, is_open)
    # The expert of a closed slot means nothing.
    np.testing.assert_array_equal(to_numpy(found["expert_index"])[kept], index[kept])
    np.testing.assert_allclose(to_numpy(found["weight"]), weight, rtol=1e-5, atol=1e-7)
    if name == "dselect k":
        logits = np.log(np.maximum(to_numpy(found["scores"]), 1e-20))
    every = slice(None) if mask is None else mask
    np.testing.assert_allclose(
        to_numpy(found["logits"])[every], logits[every], rtol=1e-5, atol=1e-6
    )
    assert to_numpy(found["scores"]).shape == (len(x), 8)


@pytest.mark.parametrize(
    "name, capacity_factor",
    [
        *((name, 0.5) for name in ROUTERS),
        *itertools.product(("top 1", "threshold", "sinkhorn 2", "expert choice"), (1.0, 1.3)),
    ],
)
def test_capacity_equals_the_loop(name, capacity_factor):
    bank = BANKS["mlp"](8)
    router = ROUTERS[name]()
    layer = MixtureOfExperts(bank, router=router, capacity_factor=capacity_factor)
    x = np.random.default_rng(3).normal(size=(2, 15, WIDTH)).astype("float32")
    mask = np.ones((2, 15), bool)
    mask[1, 9:] = False
    tokens = x.reshape(-1, WIDTH).astype("float64")
    layer.build(x.shape)
    logits = logits_of(reference.weights_of(router), tokens)
    # Before the call, which moves the selection bias.
    index, weight, is_open = reference.route(router, logits, mask.ravel(), training=True)
    y, routing = layer(x, mask=mask, training=True, return_routing=True)
    # An even share of the open assignments; for a top-k router those are K times the 24 tokens that
    # are not padding.
    if name.startswith(("top", "sinkhorn")):
        assert is_open.sum() == 24 * router.k
    capacity = np.ceil(capacity_factor * is_open.sum() / 8 - 1e-9)
    kept = reference.kept_assignments(index, is_open, 8, capacity)
    if capacity_factor == 0.5:
        assert kept.sum() < is_open.sum()
    np.testing.assert_array_equal(np.array(ops.convert_to_numpy(routing["is_open"])), kept)
    expected = reference.mixture(bank, tokens, index, weight, kept)
    assert_close(to_numpy(y), expected.reshape(y.shape), "outputs")
    # Outside training nothing is dropped.
    routing = reference.route(router, logits, mask.ravel())
    expected = reference.mixture(bank, tokens, *routing)
    assert_close(to_numpy(layer(x, mask=mask)), expected.reshape(y.shape), "evaluation")


@pytest.mark.parametrize(
    "name, bank, training",
    [
        *itertools.product(ROUTERS, ["mlp"], [False]),
        *slow_but_for(
            [("top 2", "glu", False), ("relu", "tied", False)],
            itertools.product(["top 2", "threshold", "relu"], ["glu", "tied"], [False]),
        ),
        ("sinkhorn 1", "mlp", True),
        ("sinkhorn 2", "mlp", True),
    ],
)
def test_gradients_through_the_router(name, bank, training):
    """The whole layer's derivative along random directions, by central differences in float64."""
    layer = MixtureOfExperts(BANKS[bank](8), router=ROUTERS[name]())
    x = np.random.default_rng(4).normal(size=(20, WIDTH)).astype("float32")
    upstream = np.random.default_rng(5).normal(size=(20, OUTPUT)).astype("float32")
    layer.build(x.shape)
    dx, found = layer_gradients(
        layer, x, lambda y: ops.sum(ops.multiply(y, upstream)), training=training
    )
    by_name = {path.rsplit("/", 1)[-1]: gradient for path, gradient in found.items()}
    values = {"x": x.astype("float64")}
    values |= reference.weights_of(layer.experts)
    values |= {
        w.name: reference.weights_of(layer.router)[w.name] for w in layer.router.trainable_weights
    }
    gradients = {"x": dx, **by_name}
    assert set(values) == set(gradients)

    def function(values):
        logits = logits_of(values, values["x"])
        routing = reference.route(layer.router, logits, training=training)
        y = reference.mixture(layer.experts, values["x"], *routing, weights=values)
        return (y * upstream).sum()

    rng = np.random.default_rng(6)
    for name in values:
        for _ in range(3):
            direction = rng.normal(size=values[name].shape)
            step = 1e-6
            up = function({**values, name: values[name] + step * direction})
            down = function({**values, name: values[name] - step * direction})
            expected = (up - down) / (2 * step)
            actual = (gradients[name] * direction).sum()
            scale = np.linalg.norm(gradients[name])
            assert abs(actual - expected) <= 3 * TOLERANCE * scale, name


def test_the_reference_itself():
    """Its gradients against central differences of its outputs."""
    rng = np.random.default_rng(0)
    for make_bank in BANKS.values():
        x, index, weight, is_open, _, upstream = draw((6,), 4, 2, 0.8, 0.0, 4)
        bank = make_bank(4)
        bank.build((None, WIDTH))
        values = reference.weights_of(bank)
        *_, gradients = reference.mixture_and_gradients(
            bank, x, index, weight, is_open, upstream, values
        )
        for name, value in values.items():
            direction = rng.normal(size=value.shape)

            def function(step, name=name, value=value, direction=direction):
                moved = {**values, name: value + step * direction}  # noqa: B023
                y = reference.mixture(bank, x, index, weight, is_open, moved)  # noqa: B023
                return (y * upstream).sum()  # noqa: B023

            expected = (function(1e-6) - function(-1e-6)) / 2e-6
            np.testing.assert_allclose(
                (gradients[name] * direction).sum(), expected, rtol=1e-6, atol=1e-7
            )


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "bank, jit_compile",
    slow_but_for([("mlp", True)], [("tied", False), ("mlp", True), ("tied", True)]),
)
def test_compiled_equals_the_loop(bank, jit_compile):
    """Gradients of a training step inside a graph whose batch is unknown."""
    import tensorflow as tf

    x, index, weight, is_open, _, upstream = draw((31,), 8, 2, 0.7, 0.0, 8)
    layer = MixtureOfExperts(BANKS[bank](8), router=FixedRouter(index, weight, is_open, 8))
    layer.build(x.shape)
    variables = [w.value for w in layer.experts.trainable_weights]

    @tf.function(jit_compile=jit_compile, input_signature=[tf.TensorSpec([None, WIDTH])])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            value = tf.reduce_sum(y * upstream)
        return y, tape.gradient(value, [x, *variables])

    y, (dx, *found) = step(x)
    expected_y, expected_dx, _, expected = reference.mixture_and_gradients(
        layer.experts, x.astype("float64"), index, weight, is_open, upstream.astype("float64")
    )
    assert_close(y.numpy(), expected_y, "outputs")
    assert_close(dx.numpy(), expected_dx, "inputs")
    for weight, gradient in zip(layer.experts.trainable_weights, found, strict=True):
        assert_close(gradient.numpy(), expected[weight.name], weight.name)


def test_shared_expert_is_added():
    shared = keras.layers.Dense(OUTPUT)
    layer = MixtureOfExperts(BANKS["mlp"](4), shared_expert=shared)
    x = np.random.default_rng(7).normal(size=(9, WIDTH)).astype("float32")
    y, routing = layer(x, return_routing=True)
    index, weight, is_open = (
        np.array(ops.convert_to_numpy(routing[name]))
        for name in ("expert_index", "weight", "is_open")
    )
    routed = reference.mixture(layer.experts, x.astype("float64"), index, weight, is_open)
    assert_close(to_numpy(y), routed + to_numpy(shared(x)), "outputs")
