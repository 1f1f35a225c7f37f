"""SoftMixtureOfExperts against a loop over slots; padding, causal models, cost."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.callbacks import ExpertLoad, RoutingWarning
from sparse_keras.layers import DenseExperts, GLUExperts, MLPExperts, SoftMixtureOfExperts
from sparse_keras.models.cost import active_params, flops_per_example
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy

BANKS = {
    "dense": lambda: DenseExperts(3, 5, activation="tanh", bias_initializer="normal"),
    "mlp": lambda: MLPExperts(3, 7, output_dim=5, bias_initializer="normal"),
    "glu": lambda: GLUExperts(3, 7, output_dim=5),
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def soft(x, phi, scale, mask, bank, slots_per_expert, weights=None):
    """One example, slot by slot: outputs `[T, B]`, and the tokens' weights for slots `[T, S]`."""
    tokens = np.flatnonzero(mask)
    if scale is not None:
        phi = scale * phi / np.linalg.norm(phi, axis=0)
    logits = np.full((len(x), phi.shape[1]), -np.inf)
    for t in tokens:
        one = x[t] if scale is None else x[t] / np.linalg.norm(x[t])
        logits[t] = one @ phi
    combine = np.zeros(logits.shape)
    for t in tokens:
        combine[t] = reference.softmax(logits[t])
    weights = reference.weights_of(bank) if weights is None else weights
    y = np.zeros((len(x), bank.output_width(x.shape[1])))
    for s in range(phi.shape[1]):
        if len(tokens):
            share = reference.softmax(logits[tokens, s])
            slot = sum(a * x[t] for a, t in zip(share, tokens, strict=True))
            expert = reference.Expert(bank, weights, {}, s // slots_per_expert)
            y += combine[:, s : s + 1] * expert(slot)[0]
    return y, combine


def values_of(layer):
    return reference.weights_of(layer.experts) | reference.weights_of(layer.router)


def expected_of(layer, x, mask, values=None):
    values = values_of(layer) if values is None else values
    arguments = values["router_kernel"], values.get("router_scale")
    return [
        soft(one, *arguments, kept, layer.experts, layer.slots_per_expert, values)
        for one, kept in zip(x.astype("float64"), mask, strict=True)
    ]


@pytest.mark.parametrize("slots_per_expert, normalize", [(1, True), (2, True), (2, False)])
@pytest.mark.parametrize("bank", BANKS)
def test_it_equals_the_loop(bank, slots_per_expert, normalize):
    layer = SoftMixtureOfExperts(
        BANKS[bank](), slots_per_expert=slots_per_expert, normalize=normalize
    )
    x = draw(3, 7, 6)
    mask = np.arange(7) < np.array([[7], [4], [1]])
    layer.build(x.shape)
    if normalize:
        layer.router.scale.assign(2.5)
    y, routing = layer(x, mask=mask, return_routing=True)
    expected = expected_of(layer, x, mask)
    np.testing.assert_allclose(to_numpy(y), [y for y, _ in expected], rtol=1e-4, atol=1e-5)
    combine = np.array([combine for _, combine in expected])
    np.testing.assert_allclose(to_numpy(routing["combine"]), combine, rtol=1e-4, atol=1e-6)
    by_expert = combine.reshape(21, 3, slots_per_expert).sum(-1)
    np.testing.assert_allclose(to_numpy(routing["weight"]), by_expert, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(
        to_numpy(routing["is_open"]) > 0, np.repeat(mask.reshape(-1, 1), 3, 1)
    )
    np.testing.assert_allclose(
        to_numpy(routing["dispatch"]).sum(1), np.ones((3, layer.num_slots)), rtol=1e-5
    )


@pytest.mark.parametrize("normalize", [False, True])
def test_gradients(normalize):
    """Along random directions, by central differences of the loop in float64."""
    layer = SoftMixtureOfExperts(BANKS["mlp"](), slots_per_expert=2, normalize=normalize)
    x, upstream = draw(2, 5, 6), draw(2, 5, 5, seed=1)
    mask = np.arange(5) < np.array([[5], [3]])
    layer.build(x.shape)
    dx, found = layer_gradients(
        layer, x, lambda y: ops.sum(ops.multiply(y, upstream)), mask=ops.convert_to_tensor(mask)
    )
    found = {"x": dx} | {path.rsplit("/", 1)[-1]: gradient for path, gradient in found.items()}
    values = {"x": x.astype("float64")} | values_of(layer)
    values.pop("seed_generator_state", None)
    assert set(found) == {name for name in values if name != "statistics"}

    def objective(values):
        expected = expected_of(layer, values["x"], mask, values)
        return sum((y * up).sum() for (y, _), up in zip(expected, upstream, strict=True))

    rng = np.random.default_rng(2)
    for name, gradient in found.items():
        direction = rng.normal(size=np.shape(values[name]))
        up = objective({**values, name: values[name] + 1e-6 * direction})
        down = objective({**values, name: values[name] - 1e-6 * direction})
        expected = (up - down) / 2e-6
        assert abs((gradient * direction).sum() - expected) <= 1e-4 * np.linalg.norm(gradient), name


def test_padding_changes_nothing():
    layer = SoftMixtureOfExperts(BANKS["mlp"](), slots_per_expert=2)
    x = draw(3, 6, 4)
    mask = np.array([[True] * 4 + [False] * 2, [False] * 6, [True] * 6])
    found = {}
    for value in (0.0, 1e4, np.nan):
        filled = np.where(mask[..., None], x, np.float32(value))
        layer.reset_statistics()
        y = to_numpy(layer(filled, mask=mask, training=True))
        np.testing.assert_array_equal(y[~mask], 0.0)
        found[value] = y, layer.routing_statistics()
        np.testing.assert_allclose(y, found[0.0][0], rtol=1e-6)
        np.testing.assert_allclose(found[value][1]["load"], found[0.0][1]["load"], rtol=1e-5)
        assert found[value][1]["experts_per_token"] == pytest.approx(1.0, rel=1e-5)
    # The tokens alone give the same.
    alone = to_numpy(layer(x[:1, :4]))
    np.testing.assert_allclose(found[0.0][0][:1, :4], alone, rtol=1e-4, atol=1e-6)


def test_rank_4_is_one_sequence():
    layer = SoftMixtureOfExperts(BANKS["dense"]())
    x = draw(2, 3, 4, 6)
    flat = to_numpy(layer(x.reshape(2, 12, 6)))
    np.testing.assert_allclose(to_numpy(layer(x)), flat.reshape(2, 3, 4, 5), rtol=1e-5, atol=1e-6)


def test_rows_of_a_table_are_refused():
    with pytest.raises(ValueError, match="depends on the rows beside it; use MixtureOfExperts"):
        SoftMixtureOfExperts(BANKS["dense"]())(draw(4, 6))


def test_it_warns_behind_causal_attention():
    x = keras.Input((5, 6))
    attended = keras.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    with pytest.warns(RoutingWarning, match="is causal: the model sees the future"):
        SoftMixtureOfExperts(BANKS["dense"]())(attended)


def test_cost_by_hand():
    layer = SoftMixtureOfExperts(DenseExperts(3, 5), slots_per_expert=2)
    model = keras.Sequential([keras.Input((7, 4)), layer])
    # Seven tokens: logits and dispatch 2 * 4 * 6 each, combine 2 * 6 * 5. Six slots: 2 * 4 * 5.
    assert flops_per_example(model) == 7 * (48 + 48 + 60) + 6 * 40
    assert layer.flops_per_example((None, 7, 4)) == flops_per_example(model)
    assert layer.flops_per_example((None, None, 4)) is None
    # Phi 4 * 6 and its scale; three experts of 4 * 5 + 5.
    assert active_params(model) == 24 + 1 + 75


@pytest.mark.usefixtures("eager_functions")
def test_it_trains_and_logs(tmp_path):
    layer = SoftMixtureOfExperts(BANKS["dense"](), name="mixture")
    model = keras.Sequential([keras.Input((7, 6)), layer])
    model.compile("adam", "mse")
    x = draw(16, 7, 6)
    callback = ExpertLoad(per_layer=True, per_expert=True)
    logs = model.fit(x, x[..., :5], verbose=0, callbacks=[callback]).history
    assert logs["dropped"][0] == pytest.approx(0.0, abs=1e-6)
    assert logs[f"{layer.path}/dead"] == [0]
    loads = [logs[f"{layer.path}/load_{e}"][0] for e in range(3)]
    assert sum(loads) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(to_numpy(layer.gate_weights(x)["router"]).sum(1), 1.0, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_routing_in_a_functional_model():
    layer = SoftMixtureOfExperts(BANKS["dense"](), slots_per_expert=2)
    inputs = keras.Input((None, 6))
    outputs, routing = layer(inputs, return_routing=True)
    model = keras.Model(inputs, {"outputs": outputs, **routing})
    x = draw(2, 5, 6)
    found = model.predict(x, verbose=0)
    for key, value in layer(x, return_routing=True)[1].items():
        assert keras.backend.standardize_dtype(routing[key].dtype) == str(found[key].dtype)
        np.testing.assert_allclose(found[key], to_numpy(value), rtol=1e-4, atol=1e-5)
