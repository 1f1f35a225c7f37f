"""Sentences of a report say no more than was measured: at the limits, they change."""

import dataclasses

import numpy as np
import pytest

from sparse_keras._internal.metric_text import metric_text
from sparse_keras.reporting.history import History
from sparse_keras.reporting.result import Scores, TargetReport
from sparse_keras.reporting.uncertainty import Z
from sparse_keras.reporting.words import (
    RISEN,
    against,
    interval_text,
    matters,
    of_history,
    opening,
)
from sparse_keras.tasks import Binary, Regression
from sparse_keras.tasks.scores import metrics_of_task


def target(task, main):
    return TargetReport(
        task.name, task.kind, (), None, 100, {}, {}, metrics_of_task(task), main, {}
    )


@pytest.mark.parametrize(
    ("difference", "error", "words", "kind"),
    [
        (0.02, 0.02 / Z + 1e-6, "Not significantly different from", "so"),
        (0.02, 0.02 / Z - 1e-6, "Significantly better than", "good"),
        (-0.02, 0.02 / Z - 1e-6, "Significantly worse than", "bad"),
        (0.02, None, "not tested for significance", "so"),
    ],
)
def test_differences(difference, error, words, kind):
    scores = Scores("gradient boosting", {"auc": 0.9}, difference, error)
    verdict = against(target(Binary("y"), "auc"), "hgb", scores)
    assert words in verdict.text and verdict.kind == kind and "AUC 0.9000" in verdict.text
    # A smaller error is better.
    scores = Scores("gradient boosting", {"rmse": 0.9}, -difference, error)
    assert against(target(Regression("y"), "rmse"), "hgb", scores).kind == kind


def test_no_better_than_no_model_is_bad():
    scores = Scores("no model", {"auc": 0.5}, 0.01, 0.1)
    assert against(target(Binary("y"), "auc"), "constant", scores).kind == "bad"
    assert against(target(Binary("y"), "auc"), "constant", Scores("no", {"auc": None})) is None


@pytest.mark.parametrize(
    ("constant", "hgb", "linear", "words"),
    [
        (0.3, 0.1, 0.2, "It is useful, and better than what it is compared with."),
        (0.3, 0.1, 0.0, "It is useful, and not significantly different from a linear model."),
        (0.3, -0.1, 0.1, "It is useful, but gradient boosting did better."),
        (0.0, 0.1, 0.1, "It has learned nothing that helps on these rows."),
    ],
)
def test_what_the_comparisons_come_to(constant, hgb, linear, words):
    gains = {"constant": constant, "hgb": hgb, "linear": linear}
    scores = {name: Scores(name, {"auc": 0.7}, gain, 0.01) for name, gain in gains.items()}
    compared = dataclasses.replace(target(Binary("y"), "auc"), scores=scores)
    others = {name: against(compared, name, score) for name, score in scores.items()}
    assert opening(compared, others).text == words
    assert opening(compared, {"constant": others["constant"]}) is None
    scores["hgb"] = Scores("", {"auc": 0.7}, 0.1, None)
    others["hgb"] = against(compared, "hgb", scores["hgb"])
    assert opening(compared, others) is None


def history(val_loss, planned=None, kept=None):
    epochs = len(val_loss)
    best = 1 + int(np.argmin(val_loss))
    return History(
        {"val_loss": val_loss},
        epochs,
        planned or epochs,
        "val_loss",
        best,
        kept or epochs,
        None,
    )


def test_learning_curves():
    def text(*args, **kwargs):
        return " ".join(verdict.text for verdict in of_history(history(*args, **kwargs)))

    assert "more epochs (training.epochs) may make it better" in text([3.0, 2.0, 1.0])
    assert text([3.0, 2.0, 1.0], planned=9) == ""  # Early stopping ended it.
    assert "overfits after that; and the model has the weights of the last" in text(
        [3.0, 1.0, RISEN + 0.001]
    )
    assert "the model has the weights of epoch 2" in text([3.0, 1.0, 2.0], kept=2)
    assert text([3.0, 1.0, RISEN - 0.001]) == ""
    none = History({"loss": [1.0]}, 1, 1, None, None, 1, None)
    (verdict,) = of_history(none)
    assert "Without validation rows" in verdict.text


def test_which_columns_matter():
    spread = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    error = spread.std(ddof=1) / np.sqrt(5)
    drops = np.stack([spread + 2.01 * error, spread + 1.99 * error, -spread - 5, 0 * spread])
    assert matters(drops).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.91634, "0.9163"),
        (-0.00001, "0.0000"),
        (1307.12, "1,307.1"),
        (1234567.8, "1,234,568"),
        (None, "undefined"),
        (float("nan"), "undefined"),
    ],
)
def test_numbers(value, text):
    assert metric_text(value) == text


def test_intervals():
    assert interval_text(0.5, 0.1) == "0.3040 to 0.6960"
