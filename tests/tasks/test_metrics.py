"""Macro metrics: against scikit-learn, with weights, and in `fit`."""

import warnings

import keras
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from sparse_keras.tasks import Multiclass, Multilabel
from sparse_keras.tasks.metrics import BalancedAccuracy, MacroF1, ThresholdAccuracy


def drawn(seed, rows=200, classes=5, weighted=True):
    """Rare classes, one of them without rows; scores that are right somewhat often."""
    rng = np.random.default_rng(seed)
    y = rng.choice(classes, rows, p=[0.85, 0.1, 0.03, 0.02, 0.0])
    scores = rng.random((rows, classes)).astype("float32") + np.eye(classes)[y] * 0.6
    weight = rng.random(rows).astype("float32") * rng.integers(0, 2, rows) if weighted else None
    return y, scores.astype("float32"), weight


def expected(y, scores, weight):
    predicted = scores.argmax(axis=1)
    there = np.unique(y if weight is None else y[weight > 0])
    macro = {"average": "macro", "labels": there, "zero_division": 0, "sample_weight": weight}
    with warnings.catch_warnings(action="ignore"):
        return f1_score(y, predicted, **macro), balanced_accuracy_score(
            y, predicted, sample_weight=weight
        )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weighted", [False, True])
def test_they_are_those_of_scikit_learn(seed, weighted):
    y, scores, weight = drawn(seed, weighted=weighted)
    metrics = MacroF1(5), BalancedAccuracy(5)
    for metric in metrics:
        for rows in (slice(0, 70), slice(70, None)):
            # Targets of shape [N, 1], too, as Keras makes them of batches.
            part = None if weight is None else weight[rows]
            metric.update_state(y[rows, None] if seed else y[rows], scores[rows], part)
    found = [float(metric.result()) for metric in metrics]
    np.testing.assert_allclose(found, expected(y, scores, weight), atol=1e-6)
    for metric in metrics:
        metric.reset_state()
        assert float(metric.result()) == 0.0  # Of no rows, and not NaN.


@pytest.mark.parametrize("threshold", [0.5, 0.2, [0.2, 0.5, 0.9]])
@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_at_a_threshold(threshold, weighted):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (90, 3)), rng.random((90, 3)).astype("float32")
    p[:3] = np.float32(threshold)  # Of the threshold itself is positive.
    weight = rng.integers(0, 3, 90) if weighted else None
    metric = ThresholdAccuracy(threshold, num_labels=3)
    for rows in (slice(0, 50), slice(50, None)):
        metric.update_state(y[rows], p[rows], None if weight is None else weight[rows])
    correct = (p >= np.float32(threshold)) == y
    expected = np.average(correct.mean(axis=1), weights=weight)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0.0
    metric.threshold = 0.999999
    metric.update_state(y, p)
    assert float(metric.result()) == pytest.approx((y == 0).mean(), abs=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.threshold == 0.999999


def test_configs_round_trip():
    for metric in (*Multiclass("y", 4).metrics(), *Multilabel("y", 3, (0.1, 0.2, 0.3)).metrics()):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert type(again) is type(metric) and again.get_config() == metric.get_config()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_fit_and_evaluate(jit_compile):
    y, scores, _ = drawn(0)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Activation("softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile("sgd", loss, metrics=Multiclass("y", 5).metrics(), jit_compile=jit_compile)
    found = model.evaluate(scores, y, batch_size=64, verbose=0, return_dict=True)
    f1, balanced = expected(y, scores, None)
    assert found["macro_f1"] == pytest.approx(f1, abs=1e-6)
    assert found["balanced_accuracy"] == pytest.approx(balanced, abs=1e-6)
    assert found["accuracy"] > max(f1, balanced)
