"""Recorded routings are what the layers did, and replayed they send tokens to the same experts."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import routing
from sparse_keras.layers import (
    DenseExperts,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    ReLURouter,
    Router,
    ThresholdRouter,
    TopKRouter,
)
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def mixture(router="top_k", experts=5, **kwargs):
    return MixtureOfExperts(DenseExperts(experts, 4, activation="tanh"), router=router, **kwargs)


def two_layers(**compile_arguments):
    model = keras.Sequential([keras.Input((4,)), mixture(), mixture(TopKRouter(1), 3)])
    model.compile(keras.optimizers.SGD(0.1), "mse", **compile_arguments)
    return model


def turned(layer):
    """Gives the router other weights, by which it would choose otherwise."""
    layer.router.kernel.assign(-ops.convert_to_tensor(layer.router.kernel))


def arrays_of(recording):
    return [values for gate in recording.gates for call in gate.calls for values in call.values()]


def assert_equal_recordings(a, b):
    assert len(a.gates) == len(b.gates)
    for one, other in zip(a.gates, b.gates, strict=True):
        assert (one.path, one.num_experts) == (other.path, other.num_experts)
        assert [call.keys() for call in one.calls] == [call.keys() for call in other.calls]
    for one, other in zip(arrays_of(a), arrays_of(b), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_what_is_recorded_is_what_was_used():
    layer = mixture()
    x, mask = draw(2, 3, 4), np.array([[True, True, False], [True, False, False]])
    with routing.record(layer) as recording:
        _, first = layer(x, mask=mask, return_routing=True)
        _, second = layer(draw(7, 4), training=True, return_routing=True)
    layer(x)
    (gate,) = recording.gates
    assert (gate.path, gate.num_experts, len(gate.calls)) == (layer.path, 5, 2)
    assert layer.path in repr(recording)
    for call, used in zip(gate.calls, (first, second), strict=True):
        assert {key: values.dtype for key, values in call.items()} == {
            "expert_index": "int32",
            "is_open": "bool",
            "weight": "float32",
        }
        for key, values in call.items():
            np.testing.assert_array_equal(values, ops.convert_to_numpy(used[key]))
    assert gate.calls[0]["is_open"].any(axis=1).tolist() == mask.ravel().tolist()


@pytest.mark.parametrize("weights", ["current", "recorded"])
@pytest.mark.parametrize(
    "make_router",
    [
        lambda: TopKRouter(k=2),
        lambda: TopKRouter(k=1),
        lambda: TopKRouter(k=2, normalize=False),
        lambda: ThresholdRouter(0.4),
        lambda: ThresholdRouter(0.3, max_experts=2, normalize=True),
        lambda: ReLURouter(k=2),
    ],
)
def test_replay_by_hand(make_router, weights):
    """Outputs and all gradients against the loop over tokens, after the router changed."""
    router = make_router()
    layer = mixture(router)
    x, upstream = draw(9, 4), draw(9, 4, seed=1)
    mask = np.arange(9) < 7
    with routing.record(layer) as recording:
        layer(x, mask=mask)
    call = recording.gates[0].calls[0]
    turned(layer)
    logits = ops.convert_to_tensor(x @ to_numpy(layer.router.kernel))
    if router.bias is not None:
        logits = logits + router.bias
    chosen = ops.convert_to_tensor(call["expert_index"]), ops.convert_to_tensor(call["is_open"])
    weight = to_numpy(router.weigh(logits, *chosen)) if weights == "current" else call["weight"]

    with routing.replay(layer, recording, weights=weights):
        y, found = layer(x, mask=mask, return_routing=True)
    for key in ("expert_index", "is_open"):
        np.testing.assert_array_equal(ops.convert_to_numpy(found[key]), call[key])
    np.testing.assert_allclose(to_numpy(found["weight"]), weight, rtol=1e-5, atol=1e-7)
    # The scores are the current ones.
    np.testing.assert_allclose(to_numpy(found["logits"])[:7], to_numpy(logits)[:7], rtol=1e-5)
    with routing.replay(layer, recording, weights=weights):
        _, gradients = layer_gradients(
            layer, x, lambda y: ops.sum(ops.multiply(y, upstream)), mask=mask
        )
    expected, _, dweight, bank = reference.mixture_and_gradients(
        layer.experts,
        x.astype("float64"),
        call["expert_index"],
        weight.astype("float64"),
        call["is_open"],
        upstream.astype("float64"),
    )
    np.testing.assert_allclose(to_numpy(y), expected, rtol=1e-4, atol=1e-6)
    by_name = {path.rsplit("/", 1)[-1]: gradient for path, gradient in gradients.items()}
    for name, gradient in bank.items():
        np.testing.assert_allclose(by_name[name], gradient, rtol=1e-4, atol=1e-6)
    kernel = by_name["router_kernel"]
    if weights == "recorded":
        assert kernel is None or not kernel.any()
    elif not isinstance(router, ReLURouter):  # Gates that were turned are closed now.
        assert np.abs(kernel).max() > 1e-3


@pytest.mark.parametrize(
    "compile_arguments",
    [
        {},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param({"steps_per_execution": 2}, marks=pytest.mark.slow),
    ],
    ids=["graph", "jit", "two steps"],
)
def test_a_training_is_replayed(compile_arguments, tmp_path):
    if keras.backend.backend() == "torch" and compile_arguments:
        pytest.skip("Keras allows no more than one step, and torch.compile is another compiler.")
    x, y = draw(10, 4), draw(10, 4, seed=1)
    batches = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    model = two_layers(**compile_arguments)
    start = model.get_weights()
    with routing.record(model) as recording:
        model.fit(x, y, validation_data=(x[:3], y[:3]), **batches)
    # Three batches and one of validation, in each of two epochs.
    assert [len(gate.calls) for gate in recording.gates] == [8, 8]
    assert [len(c["weight"]) for c in recording.gates[0].calls] == [4, 4, 2, 3] * 2
    trained = model.get_weights()
    recording.save(tmp_path / "routing.npz")

    # The same start: the same end.
    model.set_weights(start)
    with routing.replay(model, routing.load(tmp_path / "routing.npz")):
        model.fit(x, y, validation_data=(x[:3], y[:3]), **batches)
    for found, expected in zip(model.get_weights(), trained, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    # Another model, with names of its own, that would choose otherwise: the same load.
    other = two_layers(**compile_arguments)
    other.build((None, 4))
    for layer in other.layers:
        turned(layer)
        layer.reset_statistics()
    before = to_numpy(other.layers[0].router.kernel)
    with routing.replay(other, recording):
        other.fit(x, y, validation_data=(x[:3], y[:3]), **batches)
    assert np.abs(to_numpy(other.layers[0].router.kernel) - before).max() > 1e-4
    for layer, gate in zip(other.layers, recording.gates, strict=True):
        trained_on = [call for n, call in enumerate(gate.calls) if n % 4 < 3]
        index = np.concatenate([call["expert_index"].ravel() for call in trained_on])
        load = np.bincount(index, minlength=gate.num_experts)
        np.testing.assert_allclose(layer.routing_statistics()["load"], load / load.sum())


def test_epochs_repeat_a_recording():
    x, y = draw(10, 4), draw(10, 4, seed=1)
    model = two_layers()
    with routing.record(model) as recording:
        model.predict(x, batch_size=4, verbose=0)
    batches = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    with routing.replay(model, recording, repeat=True):
        model.fit(x, y, **batches)
    with pytest.raises(ValueError, match="is one more than the 3 recorded"):
        with routing.replay(model, recording):
            model.fit(x, y, **batches)
    with pytest.raises(ValueError, match="2 of the 3 recorded calls were not replayed"):
        with routing.replay(model, recording, repeat=True):
            for rows in (x[:4], x[4:8], x[8:], x[:4]):
                model(rows)


def test_nested_models_and_shared_layers():
    shared = mixture()
    inner = keras.Sequential([keras.Input((4,)), mixture(experts=3)])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, shared(inner(shared(inputs))))
    x = draw(6, 4)
    with routing.record(model) as recording:
        y = model.predict(x, verbose=0)
    calls = {gate.num_experts: len(gate.calls) for gate in recording.gates}
    assert calls == {5: 2, 3: 1}
    turned(shared)
    turned(inner.layers[0])
    with routing.replay(model, recording, weights="recorded"):
        again = model.predict(x, verbose=0)
    np.testing.assert_allclose(again, y, rtol=1e-5, atol=1e-6)
    assert np.abs(model.predict(x, verbose=0) - y).max() > 0.01


@pytest.mark.parametrize("routers", ["dense", "top_k", "threshold"])
def test_every_gate_of_several_is_replayed(routers, tmp_path):
    banks = {"own": DenseExperts(3, 4), "all": DenseExperts(2, 4)}
    layer = MultiGateMixtureOfExperts(banks, {"a": routers, "b": "top_k"}, visible={"b": ["all"]})
    x = draw(8, 4)
    with routing.record(layer) as recording:
        y = layer(x)
    assert [(gate.path, gate.num_experts) for gate in recording.gates] == [
        (f"{layer.path}/a", 5),
        (f"{layer.path}/b", 2),
    ]
    recording.save(tmp_path / "routing.npz")
    for router in layer.routers.values():
        router.kernel.assign(-ops.convert_to_tensor(router.kernel))
    with routing.replay(layer, routing.load(tmp_path / "routing.npz"), weights="recorded"):
        again = layer(x)
    for gate in "ab":
        np.testing.assert_allclose(to_numpy(again[gate]), to_numpy(y[gate]), rtol=1e-5, atol=1e-6)


def test_only_the_models_own_layers_count():
    mine, other = mixture(), mixture()
    x = draw(6, 4)
    with routing.record(mine) as recording:
        mine(other(x))
    assert len(recording.gates[0].calls) == 1
    expected = to_numpy(other(x))
    with routing.replay(mine, recording):
        np.testing.assert_array_equal(to_numpy(other(x)), expected)
        mine(x)


def test_files_are_whole_and_hold_no_pickles(tmp_path):
    model = two_layers()
    with routing.record(model) as recording:
        model(draw(6, 4))
        model.layers[0](draw(3, 4))  # One gate may have more calls than another, or none.
    path = tmp_path / "any name"
    recording.save(path)
    assert_equal_recordings(routing.load(path), recording)
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
        arrays = dict(archive)
    empty = routing.Recording([routing.RecordedGate("a", 3), routing.RecordedGate("b", 2)])
    empty.save(path)
    assert_equal_recordings(routing.load(path), empty)

    def refused(**changed):
        np.savez(tmp_path / "other.npz", **arrays | changed)
        with pytest.raises(ValueError, match="other.npz' is not a recording of routings"):
            routing.load(tmp_path / "other.npz")

    refused(format=np.array("sparse_keras routing 2"))
    refused(**{"0/tokens": np.array([6, 2])})
    refused(**{"0/weight": arrays["0/weight"].astype("float64")})
    refused(**{"1/expert_index": arrays["1/expert_index"] + 3})
    refused(paths=np.array(["a", "b", "c"]))
    refused(paths=np.array(["a", {}], object))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match="text.npz' is not a recording of routings"):
        routing.load(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError):
        routing.load(tmp_path / "missing.npz")


def test_another_model_is_refused():
    x = draw(6, 4)
    one, two = mixture(), two_layers()
    with routing.record(one) as recording:
        one(x)

    def refused(model, match, recording=recording, **arguments):
        with pytest.raises(ValueError, match=match):
            with routing.replay(model, recording, **arguments):
                model(x)

    refused(two, "The model has 2 gates, .*; the recording has 1")
    refused(mixture(experts=6), "routes to 6 experts. In the recording, .* routes to 5")
    refused(
        mixture(TopKRouter(k=3)), "Call 1 of .* 6 tokens to 3 experts each. Recorded .* 2 experts"
    )
    refused(keras.layers.Dense(3), "no mixture of experts in")
    refused(one, "as routing.record yields it", recording={})
    refused(one, "'current' or 'recorded'. Received: 'frozen'", weights="frozen")
    with pytest.raises(ValueError, match="no mixture of experts in"):
        with routing.record(keras.layers.Dense(3)):
            pass


def test_other_batches_are_refused():
    layer = mixture()
    x, mask = draw(6, 4), np.arange(6) < 4
    with routing.record(layer) as recording:
        layer(x, mask=mask)
        layer(x[:5])

    def refused(match, *calls):
        with pytest.raises(ValueError, match=match):
            with routing.replay(layer, recording):
                for rows, of_rows in calls:
                    layer(rows, mask=of_rows)

    refused("Call 1 of .* routes 5 tokens to 2 experts each. Recorded were 6", (x[:5], None))
    refused("Call 1 of .* has another mask than was recorded", (x, None))
    refused("Call 1 of .* has another mask than was recorded", (x, ~mask))
    refused("Call 2 of .* has another mask", (x, mask), (x[:5], mask[:5]))
    first, second = (x, mask), (x[:5], None)
    refused("Call 3 of .* one more than the 2 recorded", first, second, second)
    refused("called 1 times, and 1 of the 2 recorded calls were not replayed", first)
    with routing.replay(layer, recording):
        layer(x, mask=mask)
        layer(x[:5])


def test_padding_of_today_is_routed_nowhere():
    """A threshold router may close a token; a mask may close more, and never opens one."""
    layer = mixture(ThresholdRouter(0.45))
    x = draw(6, 4)
    with routing.record(layer) as recording:
        layer(x)
    mask = np.arange(6) < 3
    with routing.replay(layer, recording):
        y, found = layer(x, mask=mask, return_routing=True)
    is_open = ops.convert_to_numpy(found["is_open"])
    np.testing.assert_array_equal(is_open, recording.gates[0].calls[0]["is_open"] & mask[:, None])
    np.testing.assert_array_equal(to_numpy(y)[3:], 0.0)


def test_slots_that_are_experts_stay_so():
    layer = mixture("dense")
    with routing.record(layer) as recording:
        layer(draw(6, 4))
    call = recording.gates[0].calls[0]
    call["expert_index"] = call["expert_index"][:, ::-1].copy()
    with pytest.raises(ValueError, match="slot e of a DenseRouter is expert e"):
        with routing.replay(layer, recording):
            layer(draw(6, 4))


def test_a_router_that_cannot_weigh_replays_recorded_weights():
    class Silent(TopKRouter):
        weigh = Router.weigh

    layer = mixture(Silent(k=2))
    x = draw(6, 4)
    with routing.record(layer) as recording:
        y = layer(x)
    with pytest.raises(ValueError, match="Silent has no `weigh`.*weights='recorded'"):
        with routing.replay(layer, recording):
            layer(x)
    with routing.replay(layer, recording, weights="recorded"):
        np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(y), rtol=1e-6)


@pytest.mark.tensorflow
def test_compiled_functions_are_refused():
    import tensorflow as tf

    inner = two_layers()
    x = draw(6, 4)
    compiled = tf.function(inner)
    with pytest.raises(ValueError, match="routing.record needs a model that runs eagerly"):
        with routing.record(inner):
            compiled(x)
    compiled(x)  # Traced now: Python does not run again.
    with pytest.raises(ValueError, match="routing.record recorded no routing"):
        with routing.record(inner):
            compiled(x)
    with routing.record(inner) as recording:
        inner(x)
    with pytest.raises(ValueError, match="called 0 times, and 1 of the 1 recorded"):
        with routing.replay(inner, recording):
            compiled(x)
    outer = keras.Sequential([keras.Input((4,)), inner])
    with pytest.raises(ValueError, match="routing.replay needs a model that runs eagerly"):
        with routing.replay(inner, recording):
            outer.predict(x, verbose=0)
    # The model that is given runs eagerly, and what it had compiled is there again.
    expected = outer.predict(x, verbose=0)
    function = outer.predict_function
    with routing.replay(outer, recording):
        found = outer.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert outer.predict_function is function


@pytest.mark.tensorflow
def test_replicas_have_no_order():
    import tensorflow as tf

    cpus = tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = two_layers()
    with routing.record(model) as recording:  # One replica is in order.
        model.predict(draw(6, 4), verbose=0)
    assert len(cpus) == 1 and len(recording.gates[0].calls) == 1

    class Two:
        num_replicas_in_sync = 2

    model._distribute_strategy = Two()
    with pytest.raises(ValueError, match="runs on 2 replicas"):
        with routing.record(model):
            pass
