"""Expected numbers are derived by hand from a few rows."""

import math

import numpy as np
import pytest

from sparse_keras.tasks import Binary, Multiclass, Multilabel, MultiTask, Regression
from sparse_keras.tasks.scores import METRICS, metrics_of_task, scores
from tests.support.tables import task_of


def test_binary():
    # Positive rows score .9 and .4, negative ones .6 and .4: of the four pairs, .9 wins both, .4
    # loses one and draws one: (2 + 0.5) / 4. Right at 0.5: .9 yes, .4 no; .6 no, .4 yes.
    target = Binary("y", ("no", "yes"))
    found = scores(target, np.array([1, 1, 0, 0.0]), np.array([[0.9], [0.4], [0.6], [0.4]]))
    assert found == {"auc": 0.625, "accuracy": 0.5}


def test_multiclass():
    # Predicted classes 0, 0, 1 of true 0, 1, 1; class 2 is in no row. F1: class 0 2/3, class 1 2/3.
    target = Multiclass("y", ("a", "b", "c"))
    probabilities = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
    found = scores(target, np.array([0, 1, 1]), probabilities)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx(0.75)  # (1/1 + 1/2) / 2
    assert found["log_loss"] == pytest.approx((2 * math.log(2) + math.log(4)) / 3)


def test_multilabel():
    # The second label is never true: its AUC is not defined and left out.
    target = Multilabel("y", ("a", "b"))
    y = np.array([[1, 0], [0, 0], [1, 0.0]])
    found = scores(target, y, np.array([[0.9, 0.1], [0.2, 0.6], [0.4, 0.1]]))
    assert found["auc"] == 1.0
    assert found["hamming_loss"] == pytest.approx(2 / 6)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["micro_f1"] == pytest.approx(2 / (2 + 1 + 1))  # 2 TP / (2 TP + FP + FN)


def test_regression():
    found = scores(Regression("y"), np.array([0.0, 2.0]), np.array([[1.0], [2.0]]))
    assert found["rmse"] == pytest.approx(math.sqrt(0.5))
    assert (found["mae"], found["r2"]) == (0.5, 0.5)


def test_a_task_of_another_kind_is_scored_by_its_own_metrics():
    class Counts(Regression):
        kind = "counts"

    # Errors 0, 0 and 2; the last example has no weight.
    y, predictions = np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [5.0]])
    values = scores(Counts("y"), y, predictions)
    assert values["rmse"] == pytest.approx(math.sqrt(4 / 3), rel=1e-6)
    assert scores(Counts("y"), y, predictions, np.array([1.0, 1.0, 0.0]))["rmse"] == 0
    described = metrics_of_task(Counts("y"))
    assert list(described) == list(values)
    assert described["rmse"] == {"head": "rmse", "higher_is_better": False}


def test_undefined_is_none():
    found = scores(Binary("y", (0, 1)), np.zeros(2), np.full((2, 1), 0.1))
    assert found == {"auc": None, "accuracy": 1.0}


def test_probabilities_are_normalised():
    target = Multiclass("y", ("a", "b", "c"))
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    y = rows.argmax(axis=1)
    off = scores(target, y, (rows * 1.00001).astype("float32"))
    assert off["log_loss"] == pytest.approx(scores(target, y, rows)["log_loss"], abs=1e-6)


def test_every_metric_is_described():
    for task, metrics in METRICS.items():
        outputs = 2 if task.startswith("multi") else 1
        target = task_of(task, 2)
        y = np.array([[0, 1], [1, 0]]) if task == "multilabel" else np.array([0, 1])
        assert list(scores(target, y, np.full((2, outputs), 0.5))) == list(metrics)


@pytest.mark.parametrize("task", METRICS)
def test_a_weight_is_a_number_of_copies(task):
    """A row that counts thrice is three rows, and one that counts 0 is none."""
    rng = np.random.default_rng()
    target, rows = task_of(task, 3), 40
    predictions = rng.dirichlet(np.ones(target.outputs + 1), rows)[:, : target.outputs]
    y = {
        "binary": rng.integers(2, size=rows),
        "multiclass": rng.integers(3, size=rows),
        "multilabel": rng.integers(2, size=(rows, 3)),
        "regression": rng.normal(size=rows),
    }[task]
    weight = rng.integers(4, size=rows)
    copied = scores(target, np.repeat(y, weight, axis=0), np.repeat(predictions, weight, axis=0))
    assert scores(target, y, predictions, weight) == pytest.approx(copied)


def test_several_targets():
    one, two = Binary("rich", ("no", "yes")), Regression("age.now")
    both = MultiTask("both", (one, two))
    y = {"rich": np.array([0, 1, 0]), "age.now": np.array([1.0, 2.0, 3.0])}
    predictions = {"rich": np.array([[0.1], [0.9], [0.8]]), "age.now": np.array([1.0, 2.0, 9.0])}
    weight = {"rich": np.ones(3), "age.now": np.array([1.0, 1.0, 0.0])}  # One age is missing.
    found = scores(both, y, predictions, weight)
    assert found["rich.accuracy"] == pytest.approx(2 / 3)
    assert found["age.now.rmse"] == 0
    assert list(metrics_of_task(both)) == list(found)
    assert metrics_of_task(both)["age.now.rmse"] == {
        "head": "age.now RMSE",
        "higher_is_better": False,
    }


def test_no_row_that_counts():
    found = scores(Regression("y"), np.zeros(2), np.zeros(2), np.zeros(2))
    assert found == {"rmse": None, "mae": None, "r2": None}


def test_predictions_that_are_no_numbers_have_no_scores():
    found = scores(Binary("y"), np.array([0, 1]), np.array([[np.nan], [0.5]]))
    assert found == {"auc": None, "accuracy": None}
