import keras
import numpy as np
import pytest

from sparse_keras.layers import FeatureGate
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.quick import slow_but_for


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def gate_with(logits, **kwargs):
    layer = FeatureGate(**kwargs)
    layer.build((None, len(logits)))
    layer.logits.assign(logits)
    return layer


def test_threshold_gates_by_hand():
    # sigmoid: 0.119203, 0.5, 0.622459, 0.880797; open above 0.6.
    layer = gate_with([-2.0, 0.0, 0.5, 2.0], gate="threshold", threshold=0.6)
    np.testing.assert_allclose(layer.gates(), [0, 0, 0.622459, 0.880797], rtol=1e-5)
    np.testing.assert_array_equal(layer.selected_features(), [2, 3])
    x = np.ones((2, 4), "float32")
    np.testing.assert_allclose(to_numpy(layer(x)), [layer.gates()] * 2, rtol=1e-6)
    np.testing.assert_allclose(to_numpy(layer(x, training=True)), [layer.gates()] * 2, rtol=1e-6)


def test_a_closed_threshold_gate_can_open_again():
    layer = gate_with([-2.0, 2.0], gate="threshold", penalty=0.0)
    x = np.array([[3.0, 5.0]], "float32")
    _, found = layer_gradients(layer, x, lambda y: y[0, 0] + y[0, 1], training=True)
    # d(x g)/d logit = x * s * (1 - s), closed or not.
    slope = sigmoid([-2.0, 2.0]) * (1 - sigmoid([-2.0, 2.0]))
    np.testing.assert_allclose(found["gate_logits"], [3.0, 5.0] * slope, rtol=1e-5)


def test_hard_concrete_at_inference():
    logits = np.array([-6.0, -2.4, -2.0, 0.0, 1.0, 2.3, 2.4, 6.0])
    layer = gate_with(logits, threshold=0.3)
    expected = np.clip(sigmoid(logits) * 1.2 - 0.1, 0, 1)  # Equation 13 of the paper.
    np.testing.assert_allclose(layer.gates(), expected, rtol=1e-5, atol=1e-7)
    assert layer.gates()[0] == 0.0 and layer.gates()[-1] == 1.0
    np.testing.assert_array_equal(layer.selected_features(), np.flatnonzero(expected > 0.3))


@pytest.mark.parametrize("logit", [-1.5, 0.0, 1.0, 3.0])
def test_hard_concrete_in_training(logit):
    """Many features of one logit: their gates are samples of one distribution."""
    features = 40000
    layer = gate_with(np.full(features, logit), penalty=1 / features, seed=3)
    samples = to_numpy(layer(np.ones((1, features), "float32"), training=True))[0]
    # The same distribution from equations 10 to 12, on a fine grid of u.
    u = (np.arange(100000) + 0.5) / 100000
    s = sigmoid((np.log(u) - np.log(1 - u) + logit) / (2 / 3))
    gates = np.clip(s * 1.2 - 0.1, 0, 1)
    for statistic in (np.mean, np.std, lambda g: np.mean(g == 0), lambda g: np.mean(g == 1)):
        assert statistic(samples) == pytest.approx(statistic(gates), abs=0.01)
    # The penalty counts gates by the probability that they are not 0.
    penalty = float(to_numpy(layer.losses[0]))
    assert penalty == pytest.approx(sigmoid(logit - 2 / 3 * np.log(0.1 / 1.1)), rel=1e-4)
    assert penalty == pytest.approx(np.mean(gates > 0), abs=1e-4)


def test_threshold_penalty():
    layer = gate_with([-1.0, 0.0, 3.0], gate="threshold", penalty=0.25)
    layer(np.ones((2, 3), "float32"), training=True)
    expected = 0.25 * sigmoid([-1.0, 0.0, 3.0]).sum()
    assert float(to_numpy(layer.losses[0])) == pytest.approx(expected, rel=1e-5)
    # A regularizer, so part of the loss at evaluation too: training and validation compare.
    layer(np.ones((2, 3), "float32"))
    assert float(to_numpy(layer.losses[0])) == pytest.approx(expected, rel=1e-5)


def test_every_step_draws_anew_for_all_rows_at_once():
    layer = gate_with(np.zeros(50), seed=1)
    x = np.ones((3, 50), "float32")
    first, second = (to_numpy(layer(x, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first[0], first[2])


def test_groups_share_a_gate():
    layer = FeatureGate("threshold", groups=[0, 1, 0, 2])
    layer.build((None, 4))
    layer.logits.assign([2.0, -2.0, 1.0])
    y = to_numpy(layer(np.ones((1, 4), "float32")))[0]
    np.testing.assert_allclose(y, [sigmoid(2), 0, sigmoid(2), sigmoid(1)], rtol=1e-5)
    np.testing.assert_array_equal(layer.selected_features(), [0, 2])


@pytest.mark.parametrize("gate", slow_but_for(["hard_concrete"], ["hard_concrete", "threshold"]))
def test_finds_the_planted_features(gate):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, 12)).astype("float32")
    informative = [1, 4, 9]
    y = x[:, informative] @ np.array([[2.0], [-2.0], [3.0]], "float32")
    layer = FeatureGate(gate, penalty=0.25, seed=0)
    model = keras.Sequential([keras.Input((12,)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(x, y, batch_size=32, epochs=30, verbose=0)
    np.testing.assert_array_equal(layer.selected_features(), informative)
    assert np.all(np.delete(layer.gates(), informative) == 0)
    # A closed feature has no say, whatever it holds.
    noise = x.copy()
    noise[:, np.delete(np.arange(12), informative)] = 1e6
    np.testing.assert_array_equal(model.predict(noise, verbose=0), model.predict(x, verbose=0))
