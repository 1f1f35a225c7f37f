"""Curves, calibration and errors, against formulas and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve

from sparse_keras.reporting import curves
from sparse_keras.reporting.contenders import Prediction, constant_prediction
from sparse_keras.reporting.report_run import _target_report
from sparse_keras.reporting.target_cards import target_section
from sparse_keras.reporting.uncertainty import MOST_DRAWN, standard_errors
from sparse_keras.tasks import Binary, Multiclass, Multilabel, Regression
from tests.support.pages import Page

RNG = np.random.default_rng(0)


def test_calibration_is_that_of_scikit_learn():
    probability = RNG.random(3000)
    y = (RNG.random(3000) < probability).astype(float)
    measured = curves.calibration(y, probability, None)
    observed, predicted = calibration_curve(y, probability, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(measured.predicted, predicted, atol=2e-3)
    np.testing.assert_allclose(measured.observed, observed, atol=5e-3)
    for n, (low, high) in enumerate(zip(measured.low, measured.high, strict=True)):
        rows = int(measured.rows[n])
        interval = stats.binomtest(round(measured.observed[n] * rows), rows).proportion_ci(
            method="wilson"
        )
        assert (low, high) == pytest.approx(tuple(interval), abs=1e-3)
    # What is right is off by about what chance does; what is not, by far more.
    assert measured.noise < measured.chance < 2 * measured.noise
    draws = [
        curves.calibration(RNG.random(3000) < probability, probability, None) for _ in "x" * 60
    ]
    assert np.mean([one.error > one.chance for one in draws]) < 0.15
    wrong = curves.calibration(y, np.sqrt(probability), None)
    assert wrong.error > 2 * wrong.chance
    assert curves.calibration(y, np.full(3000, 0.3), None) is None


def test_weights_count_as_rows():
    probability, y = RNG.random(200).round(2), RNG.integers(0, 2, 200)
    weight = RNG.integers(1, 4, 200).astype(float)
    repeated = [np.repeat(each, weight.astype(int)) for each in (y, probability)]
    for curve in (curves.roc, curves.precision_recall):
        one, other = curve(y, probability, weight, 0.4), curve(*repeated, None, 0.4)
        assert one.at == pytest.approx(other.at)
        np.testing.assert_allclose(one.y, other.y)


def test_thinned_curves_stay_close():
    probability = RNG.random(20_000)
    y = RNG.random(20_000) < probability
    curve = curves.roc(y, probability, None, None)
    assert len(curve.x) <= 200 and curve.at is None
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


@pytest.mark.parametrize("rows", [400, 4 * MOST_DRAWN])
def test_standard_errors(rows):
    """Of accuracy, which is a share, and of the difference of two: by the formula."""
    y = RNG.integers(0, 2, rows).astype("float32")
    right = RNG.random(rows) < 0.8
    model = np.where(right, y, 1 - y)[:, None]
    other = np.where(RNG.random(rows) < 0.7, y, 1 - y)[:, None]
    errors = standard_errors(Binary(), "accuracy", y, None, {"model": model, "other": other})
    assert errors["model"] == pytest.approx(np.sqrt(0.16 / rows), rel=0.3)
    difference = (model[:, 0] == y).astype(float) - (other[:, 0] == y)
    assert errors["other"] == pytest.approx(difference.std() / np.sqrt(rows), rel=0.3)
    few = standard_errors(Binary(), "auc", y[:10], None, {"model": model[:10]})
    assert few == {"model": None}


class Run:
    """What the part of the page about a target asks of a report."""

    part, left_out = "test", {}


def reported(task, y, prediction, weight=None):
    predictions = {
        "model": Prediction("this model", prediction),
        "constant": constant_prediction(task, y, weight, len(y)),
    }
    target = _target_report(task, task, (y, weight), (y, weight), predictions)
    section = target_section(target, Run(), None)
    Page(section)
    return target, section


@pytest.mark.parametrize("classes", [3, 20, 50])
def test_many_classes(classes):
    task = Multiclass("kind", tuple(f"<b>{n}" for n in range(classes)))
    y = RNG.integers(0, classes, 500).astype("int32")
    logits = RNG.normal(size=(500, classes)) + 3 * np.eye(classes)[y]
    prediction = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    target, section = reported(task, y, prediction)
    assert np.trace(target.confusion) / 500 == pytest.approx(
        target.scores["model"].values["accuracy"]
    )
    assert "<b>0" not in section
    assert ("Most frequent confusions" in section) == (classes == 50)
    assert ("more</summary>" in section) == (classes == 50)


def test_labels():
    task = Multilabel("topics", ("a", "b")).with_threshold((0.2, 0.6))
    y = RNG.integers(0, 2, (300, 2)).astype("float32")
    y[:, 1] = 0
    prediction = np.clip(0.5 * y + 0.5 * RNG.random((300, 2)), 0, 1)
    target, section = reported(task, y, prediction)
    found = (prediction[:, 0] >= np.float32(0.2)) & (y[:, 0] == 1)
    assert target.by_class["a"]["recall"] == pytest.approx(found.sum() / y[:, 0].sum())
    assert target.by_class["b"]["auc"] is None and "By label" in section
    assert "0.2 to 0.6" in section


def test_rows_of_one_class_and_predictions_that_are_no_numbers():
    task = Binary("gone", ("no", "yes"))
    ones, half = np.ones(50, "float32"), np.full((50, 1), 0.5)
    target, section = reported(task, ones, half)
    assert not target.roc and target.scores["model"].values["auc"] is None
    assert "Confusion matrix" in section
    target, section = reported(task, ones, np.full((50, 1), np.nan))
    assert "predictions are NaN or infinite" in section
    weight = np.zeros(50)
    weight[0] = 1.0  # The others have no label.
    target, section = reported(task, ones, half, weight)
    assert target.rows == 1


def test_numbers_far_from_one():
    task = Regression("price", 1e6, 2e5)
    y = RNG.normal(1e6, 2e5, 900).astype("float32")
    target, section = reported(task, y, y[:, None] + RNG.normal(0, 1e4, (900, 1)))
    assert len(target.pairs) == 500 and "500 rows drawn at random of 900" in section
    assert target.scores["model"].difference is None
    constant = target.scores["constant"]
    assert constant.difference == pytest.approx(
        target.scores["model"].values["rmse"] - constant.values["rmse"]
    )


def test_other_thresholds():
    y, probability = np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    listed = curves.at_thresholds(y, probability, 0.25)
    assert [one["threshold"] for one in listed] == [0.5, 0.4, 0.25]
    assert [(one["rows"], one["right"], one["is_current"]) for one in listed] == [
        (1, 1, False), (2, 2, False), (3, 2, True),
    ]  # fmt: skip
