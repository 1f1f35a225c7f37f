"""MultiGateMixtureOfExperts: equal to a loop over gates, tokens and experts; what it costs and
refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import (
    DenseExperts,
    DenseRouter,
    MLPExperts,
    MultiGateMixtureOfExperts,
    TopKRouter,
)
from sparse_keras.layers.mixtures.mixture import mixtures
from tests.layers.routers.test_routers import FirstExperts
from tests.layers.wrappers import FixedRouter
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy

WIDTH, OUTPUT = 6, 5


def bank(experts, kind="mlp"):
    if kind == "mlp":
        return MLPExperts(experts, 7, output_dim=OUTPUT, bias_initializer="normal")
    return DenseExperts(experts, OUTPUT, activation="tanh", bias_initializer="normal")


# Leading axes, experts of each group, groups that each gate sees, K of each gate, share of open
# slots, whether some tokens are padding.
CASES = {
    "one bank, few choices": ((31,), {"all": 8}, {"a": ["all"], "b": ["all"]}, (2, 1), 1.0, False),
    "one bank, many choices": ((4, 5), {"all": 4}, {"a": ["all"], "b": ["all"]}, (3, 2), 0.6, True),
    "cgc": (
        (23,),
        {"shared": 3, "a": 2, "b": 4},
        {"a": ["shared", "a"], "b": ["shared", "b"]},
        (2, 3),
        0.8,
        False,
    ),
    "cgc, masked, rank 4": (
        (2, 3, 4),
        {"shared": 9, "a": 2},
        {"a": ["shared", "a"], "b": ["shared"], "c": ["shared", "a"]},
        (2, 1, 1),
        0.7,
        True,
    ),
    "one token": ((1,), {"all": 16}, {"a": ["all"], "b": ["all"]}, (2, 2), 1.0, False),
    "one expert": ((9,), {"all": 1}, {"a": ["all"], "b": ["all"]}, (1, 1), 0.5, False),
    "all closed": ((7,), {"all": 4}, {"a": ["all"], "b": ["all"]}, (2, 1), 0.0, False),
}


def cases():
    for case in CASES:
        for own_inputs in (False, True):
            quick = own_inputs == case.startswith("cgc")
            name = f"{case}, {'inputs of their own' if own_inputs else 'one input'}"
            marks = () if quick else pytest.mark.slow
            yield pytest.param(case, own_inputs, marks=marks, id=name)


@pytest.mark.parametrize("case, own_inputs", list(cases()))
def test_equals_the_loop(case, own_inputs):
    """Outputs and gradients in inputs, experts and routing weights, for fixed routings."""
    leading, sizes, visible, choices, open_share, padded = CASES[case]
    rng = np.random.default_rng(sorted(CASES).index(case))
    tokens = int(np.prod(leading))
    routers, gates, upstream = {}, {}, {}
    for (gate, groups), k in zip(visible.items(), choices, strict=True):
        experts = sum(sizes[group] for group in groups)
        index = np.stack([rng.permutation(experts)[:k] for _ in range(tokens)])
        weight = rng.random((tokens, k)).astype("float32")
        is_open = rng.random((tokens, k)) < open_share
        routers[gate] = FixedRouter(index, weight, is_open, experts)
        gates[gate] = [groups, index, weight.astype("float64"), is_open]
        upstream[gate] = rng.normal(size=(tokens, OUTPUT))
    kinds = ("mlp", "dense")
    banks = {group: bank(size, kinds[size % 2]) for group, size in sizes.items()}
    layer = MultiGateMixtureOfExperts(banks, routers, visible)
    names = list(dict.fromkeys([*sizes, *visible]))
    x = rng.normal(size=(*leading, WIDTH * (len(names) if own_inputs else 1))).astype("float32")
    mask = rng.random(leading) < 0.7 if padded else None

    def inputs_of(x):
        if not own_inputs:
            return x
        return {name: x[..., i * WIDTH : (i + 1) * WIDTH] for i, name in enumerate(names)}

    layer.build(keras.tree.map_structure(lambda part: part.shape, inputs_of(x)))
    arguments = {} if mask is None else {"mask": mask}
    found_y = layer(inputs_of(x), **arguments)
    total = _Total(layer, inputs_of, upstream, arguments)
    dx, found = layer_gradients(total, x, lambda y: y)

    if mask is not None:
        for gate in gates.values():
            gate[3] = gate[3] & mask.reshape(-1, 1)
    flat = inputs_of(x.reshape(tokens, -1).astype("float64"))
    flat = {group: flat[group] if own_inputs else flat for group in sizes}
    y, dtokens, dweights, drouting = reference.gates_and_gradients(banks, flat, gates, upstream)
    for gate in gates:
        _close(to_numpy(found_y[gate]).reshape(tokens, OUTPUT), y[gate], f"outputs of {gate}")
    if own_inputs:
        zeros = np.zeros((tokens, WIDTH))  # The logits of fixed routers do nothing.
        expected = np.concatenate([dtokens.get(name, zeros) for name in names], axis=-1)
    else:
        expected = sum(dtokens.values())
    _close(dx.reshape(tokens, -1), expected, "inputs")
    for group in sizes:
        for weight in layer.experts[group].trainable_weights:
            gradient = found[weight.path.split("/", 1)[-1]]
            _close(gradient, dweights[group][weight.name], f"{group}/{weight.name}")
    for gate, router in routers.items():
        _close(found[router.weight.path.split("/", 1)[-1]], drouting[gate], f"routing of {gate}")


class _Total(keras.layers.Layer):
    """The sum of all outputs times fixed factors, so that it has one gradient."""

    def __init__(self, inner, inputs_of, upstream, arguments):
        super().__init__()
        self.inner, self.inputs_of = inner, inputs_of
        self.upstream = {gate: values.astype("float32") for gate, values in upstream.items()}
        self.arguments = arguments
        self.built = True

    def call(self, x):
        outputs = self.inner(self.inputs_of(x), **self.arguments)
        return sum(
            ops.sum(ops.multiply(ops.reshape(outputs[gate], factors.shape), factors))
            for gate, factors in self.upstream.items()
        )


def _close(found, expected, what):
    scale = max(np.abs(expected).max(initial=0.0), 1e-30)
    error = np.abs(found - expected).max(initial=0.0)
    assert error <= 1e-5 * scale, f"{what}: error {error / scale:.1e}"


ROUTERS = {
    "dense": "dense",
    "uniform": "uniform",
    "threshold": {"type": "threshold", "threshold": 0.4},
    "few over the threshold": {"type": "threshold", "threshold": 0.45, "max_experts": 2},
    "relu": "relu",
    "top 2": {"type": "top_k", "k": 2},
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("first", ROUTERS)
def test_any_router_may_be_a_gate(first, masked):
    """Beside a top-1 gate. Each equals the loop over its own routing."""
    routers = {"a": ROUTERS[first], "b": {"type": "top_k", "k": 1}}
    layer = MultiGateMixtureOfExperts(bank(6), routers)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4, 6, WIDTH)).astype("float32")
    mask = rng.random((4, 6)) < 0.7 if masked else None
    outputs, routings = layer(x, mask=mask, training=True, return_routing=True)
    weights = layer.gate_weights(x, mask=mask)
    tokens = x.reshape(-1, WIDTH).astype("float64")
    for gate, router in layer.routers.items():
        logits = to_numpy(routings[gate]["logits"]).astype("float64")
        index, weight, is_open = reference.route(
            router, logits, None if mask is None else mask.ravel()
        )
        expected = reference.mixture(layer.experts["experts"], tokens, index, weight, is_open)
        _close(to_numpy(outputs[gate]).reshape(expected.shape), expected, gate)
        by_expert = np.zeros((len(tokens), 6))
        np.put_along_axis(by_expert, index, np.where(is_open, weight, 0.0), axis=1)
        np.testing.assert_allclose(to_numpy(weights[gate]), by_expert, rtol=1e-4, atol=1e-6)
        load = np.zeros(6)
        np.add.at(load, index[is_open], 1)
        found = layer.routing_statistics()[gate]
        np.testing.assert_allclose(found["load"], load / load.sum(), rtol=1e-5)
        assert found["experts_per_token"] == pytest.approx(
            is_open.sum() / (len(tokens) if mask is None else mask.sum()), rel=1e-5
        )


@pytest.mark.parametrize("masked", [False, True])
def test_gates_that_open_all_experts_equal_gates_that_choose_all(masked):
    """The former compute the bank without sorting rows; the latter go the way that is tested above.
    Outputs and all gradients."""
    visible = {"a": ["s", "t"], "b": ["s"]}
    sizes = {"s": 3, "t": 2}

    def layer_of(routers):
        banks = {group: bank(size) for group, size in sizes.items()}
        return MultiGateMixtureOfExperts(banks, routers, visible)

    dense = layer_of({"a": DenseRouter(), "b": DenseRouter()})
    every = layer_of(
        {"a": TopKRouter(k=5, balance_loss=0.0), "b": TopKRouter(k=3, balance_loss=0.0)}
    )
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 5, WIDTH)).astype("float32")
    arguments = {"mask": rng.random((4, 5)) < 0.6} if masked else {}
    for layer in (dense, every):
        layer.build(x.shape)
    every.set_weights(dense.get_weights())
    upstream = {gate: rng.normal(size=(4, 5, OUTPUT)) for gate in "ab"}
    found = []
    for layer in (dense, every):
        total = _Total(layer, lambda x: x, upstream, arguments)
        dx, gradients = layer_gradients(total, x, lambda y: y)
        outputs = layer(x, **arguments)
        found.append([dx, *gradients.values(), *(to_numpy(outputs[gate]) for gate in "ab")])
    assert len(found[0]) == 1 + 2 * 4 + 2 + 2
    for one, other in zip(*found, strict=True):
        _close(one, other, "gradient or output")


def test_a_router_of_a_plug_in_may_be_a_gate():
    layer = MultiGateMixtureOfExperts(bank(6), {"a": FirstExperts(), "b": "dense"})
    x = np.random.default_rng(0).normal(size=(5, WIDTH)).astype("float32")
    weights = to_numpy(layer.gate_weights(x)["a"])
    assert (weights[:, :2] > 0).all() and (weights[:, 2:] == 0).all()


def test_an_expert_computes_a_token_once_for_all_gates(monkeypatch):
    layer = MultiGateMixtureOfExperts(
        bank(8), {gate: {"type": "top_k", "k": 2} for gate in ("a", "b", "c")}
    )
    x = np.random.default_rng(0).normal(size=(50, WIDTH)).astype("float32")
    rows = []
    call = layer.experts["experts"].call

    def counted(inputs, group_sizes, training=None):
        rows.append(int(to_numpy(ops.sum(group_sizes))))
        return call(inputs, group_sizes, training=training)

    layer(x)
    monkeypatch.setattr(layer.experts["experts"], "call", counted)
    layer(x)
    chosen = sum(to_numpy(weights) for weights in layer.gate_weights(x).values())
    assert rows == [(chosen > 0).sum()]
    assert rows[0] < 50 * 6


@pytest.mark.parametrize("router", ["top_k", "dense"])
@pytest.mark.parametrize("backend_mode", ["graph", pytest.param("xla", marks=pytest.mark.slow)])
@pytest.mark.tensorflow
def test_compiled_equals_eager(router, backend_mode):
    import tensorflow as tf

    layer = MultiGateMixtureOfExperts(
        {"own": bank(6), "all": bank(9)}, {"a": router, "b": router}, {"b": ["all"]}
    )
    x = np.random.default_rng(0).normal(size=(33, WIDTH)).astype("float32")
    layer.build(x.shape)
    signature = [tf.TensorSpec([None, WIDTH])]

    @tf.function(jit_compile=backend_mode == "xla", input_signature=signature)
    def step(x):
        with tf.GradientTape() as tape:
            outputs = layer(x)
            total = sum(tf.reduce_sum(output**2) for output in outputs.values())
        return total, tape.gradient(total, [w.value for w in layer.trainable_weights])

    with tf.GradientTape() as tape:
        expected = sum(tf.reduce_sum(output**2) for output in layer(x).values())
    gradients = tape.gradient(expected, [w.value for w in layer.trainable_weights])
    total, found = step(x)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    for one, other in zip(found, gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("eager_functions")
def test_losses_of_all_gates_are_one(tmp_path):
    routers = {gate: TopKRouter(k=1, balance_loss=0.1, z_loss=0.01) for gate in ("a", "b")}
    layer = MultiGateMixtureOfExperts(bank(4), routers, name="mixture")
    inputs = keras.Input((WIDTH,))
    outputs = layer(inputs)
    model = keras.Model(inputs, outputs)
    assert mixtures(model) == [layer]
    model.compile("sgd", {"a": "mse", "b": "mse"})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, WIDTH)).astype("float32")
    y = {gate: rng.normal(size=(40, OUTPUT)).astype("float32") for gate in ("a", "b")}
    logs = model.fit(x, y, batch_size=40, verbose=0, callbacks=[ExpertLoad(True, True)]).history
    found = layer.routing_statistics()
    total = sum(0.1 * one["balance_loss"] + 0.01 * one["z_loss"] for one in found.values())
    assert logs["aux_loss"][0] == pytest.approx(total, rel=1e-5)
    for gate in ("a", "b"):
        assert found[gate]["balance_loss"] >= 1.0 - 1e-5
        assert logs[f"mixture/{gate}/entropy"][0] == pytest.approx(found[gate]["entropy"])
        assert logs[f"mixture/{gate}/load_3"][0] == pytest.approx(found[gate]["load"][3])
    layer.reset_statistics()
    assert layer.routing_statistics()["a"]["assigned"] == 0


def test_costs():
    """By hand: D = 6; 3 shared experts and 2 of each task, 5 units, no hidden layer."""
    banks = {group: bank(size, "dense") for group, size in {"s": 3, "a": 2, "b": 2}.items()}
    visible = {"a": ["s", "a"], "b": ["s", "b"]}
    layer = MultiGateMixtureOfExperts(banks, {"a": "dense", "b": "dense"}, visible)
    layer.build((None, WIDTH))
    assert layer.flops_per_token(WIDTH) == 2 * (2 * 6 * 5) + 7 * (2 * 6 * 5)
    assert layer.total_params() == layer.active_params() == 2 * 6 * 5 + 7 * (6 * 5 + 5)
    sparse = MultiGateMixtureOfExperts(
        bank(8, "dense"), {"a": "top_k", "b": {"type": "top_k", "k": 1}}
    )
    sparse.build((None, WIDTH))
    # At most 2 + 1 of the 8 experts.
    assert sparse.flops_per_token(WIDTH) == 2 * (2 * 6 * 8) + 3 * (2 * 6 * 5)
    assert sparse.active_params() == 2 * 6 * 8 + 3 * (6 * 5 + 5)
    assert sparse.expert_names("a")[:2] == ["experts_0", "experts_1"]
    assert layer.expert_names("b") == ["s_0", "s_1", "s_2", "b_0", "b_1"]


def test_nothing_starts_equal_where_one_seed_serves_all():
    initializer = keras.initializers.GlorotUniform(seed=3)
    dense = {"type": "dense", "num_experts": 2, "units": 5, "kernel_initializer": initializer}
    router = {"type": "dense", "kernel_initializer": initializer}
    layer = MultiGateMixtureOfExperts({"s": dense, "t": dense}, {"a": router, "b": router})
    layer.build((None, WIDTH))
    matrices = [m for bank in layer.experts.values() for m in to_numpy(bank.weights[0])]
    gates = [to_numpy(router.kernel) for router in layer.routers.values()]
    for group in (matrices, gates):
        assert len({matrix.tobytes() for matrix in group}) == len(group)


@pytest.mark.parametrize(
    "arguments, match",
    [
        (lambda: (bank(4), {}), "a dict with a router for each gate"),
        (lambda: (bank(4), ["a"]), "a dict with a router for each gate"),
        (lambda: ({}, {"a": "dense"}), "empty dict"),
        (lambda: (bank(4), {"a": "dence"}), "Did you mean 'dense'"),
        (lambda: (bank(4), {"a": "dense"}, {"b": ["experts"]}), "The gates are \\['a'\\]"),
        (lambda: (bank(4), {"a": "dense"}, {"a": ["task"]}), "some of the groups"),
        (lambda: (bank(4), {"a": "dense"}, {"a": []}), "some of the groups"),
        (lambda: (keras.layers.Dense(3), {"a": "dense"}), "an expert bank"),
    ],
)
def test_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        MultiGateMixtureOfExperts(*arguments())


def test_errors_of_inputs():
    layer = MultiGateMixtureOfExperts({"s": bank(2), "t": DenseExperts(2, 9)}, {"a": "dense"})
    with pytest.raises(ValueError, match="widths {'s': 5, 't': 9}"):
        layer.build((None, WIDTH))
    layer = MultiGateMixtureOfExperts(bank(2), {"a": "dense"})
    with pytest.raises(ValueError, match="keys \\['a'\\]"):
        layer.build({"a": (None, WIDTH)})
    with pytest.raises(ValueError, match="rank 2, 3 or 4"):
        layer.build((WIDTH,))
