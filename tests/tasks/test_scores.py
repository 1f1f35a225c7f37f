"""Expected numbers are derived by hand from a few rows."""

import math

import numpy as np
import pytest
from sklearn import dummy, metrics

from sparse_keras.tasks import (
    TASKS,
    Binary,
    MetricInfo,
    Multiclass,
    Multilabel,
    MultiTask,
    Regression,
)
from sparse_keras.tasks.scores import exact_logs, log_names, metrics_of_task, remarks, scores
from tests.support.tables import task_of


def test_binary():
    # Positive rows score .9 and .4, negative ones .6 and .4: of the four pairs, .9 wins both, .4
    # loses one and draws one: (2 + 0.5) / 4. Right at 0.5: .9 yes, .4 no; .6 no, .4 yes.
    target = Binary("y", ("no", "yes"))
    found = scores(target, np.array([1, 1, 0, 0.0]), np.array([[0.9], [0.4], [0.6], [0.4]]))
    assert (found["auc"], found["accuracy"]) == (0.625, 0.5)
    assert (found["threshold"], found["base_rate"], found["baseline_accuracy"]) == (0.5, 0.5, 0.5)
    # One of the two positive rows is found; one of the two predicted rows is positive.
    assert (found["recall"], found["precision"], found["f1"]) == (0.5, 0.5, 0.5)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.16) / 4)
    log_loss = -(math.log(0.9) + 2 * math.log(0.4) + math.log(0.6)) / 4
    assert found["log_loss"] == pytest.approx(log_loss)


@pytest.mark.parametrize("weighted", [False, True])
def test_binary_is_scikit_learn_at_the_threshold(weighted):
    rng = np.random.default_rng(3)
    y = (rng.random(300) < 0.2).astype("float32")
    p = np.clip(rng.beta(1, 4, 300) + 0.3 * y, 0, 1).astype("float32")
    weight = rng.integers(0, 4, 300).astype("float32") if weighted else None
    found = scores(Binary("y", threshold=0.35), y, p[:, None], weight)
    counts = np.ones(300, bool) if weight is None else weight > 0
    y, p = y[counts].astype("float64"), p[counts].astype("float64")
    of = {"sample_weight": None if weight is None else weight[counts].astype("float64")}
    decided = p >= np.float32(0.35)
    baseline = dummy.DummyClassifier(strategy="most_frequent").fit(p, y, **of)
    assert found == pytest.approx(
        {
            "auc": metrics.roc_auc_score(y, p, **of),
            "average_precision": metrics.average_precision_score(y, p, **of),
            "log_loss": metrics.log_loss(y, p, **of),
            "brier": metrics.brier_score_loss(y, p, **of),
            "accuracy": metrics.accuracy_score(y, decided, **of),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, decided, **of),
            "f1": metrics.f1_score(y, decided, **of),
            "recall": metrics.recall_score(y, decided, **of),
            "precision": metrics.precision_score(y, decided, **of),
            "threshold": 0.35,
            "base_rate": np.average(y, weights=of["sample_weight"]),
            "mean_probability": np.average(p, weights=of["sample_weight"]),
            "baseline_accuracy": baseline.score(p, y, **of),
        },
        rel=1e-12,
    )


def test_multiclass():
    # Predicted classes 0, 0, 1 of true 0, 1, 1; class 2 is in no row. F1: class 0 2/3, class 1 2/3.
    target = Multiclass("y", ("a", "b", "c"))
    probabilities = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
    found = scores(target, np.array([0, 1, 1]), probabilities)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx(0.75)  # (1/1 + 1/2) / 2
    assert found["log_loss"] == pytest.approx((2 * math.log(2) + math.log(4)) / 3)
    assert found["baseline_accuracy"] == pytest.approx(2 / 3)


def test_multilabel():
    # The second label is never true: its AUC is not defined and left out.
    target = Multilabel("y", ("a", "b"))
    y = np.array([[1, 0], [0, 0], [1, 0.0]])
    found = scores(target, y, np.array([[0.9, 0.1], [0.2, 0.6], [0.4, 0.1]]))
    assert found["auc"] == 1.0
    assert found["hamming_loss"] == pytest.approx(2 / 6)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["micro_f1"] == pytest.approx(2 / (2 + 1 + 1))  # 2 TP / (2 TP + FP + FN)
    assert found["average_precision"] == 1.0  # Of the first label.
    assert found["base_rate"] == pytest.approx(2 / 6)
    assert found["baseline_accuracy"] == pytest.approx((2 / 3 + 3 / 3) / 2)
    own = scores(Multilabel("y", ("a", "b"), (0.3, 0.7)), y, [[0.9, 0.1], [0.2, 0.6], [0.4, 0.1]])
    assert own["accuracy"] == 1.0


def test_regression():
    found = scores(Regression("y"), np.array([0.0, 2.0]), np.array([[1.0], [2.0]]))
    assert found["rmse"] == pytest.approx(math.sqrt(0.5))
    assert (found["mae"], found["r2"]) == (0.5, 0.5)
    assert (found["baseline_rmse"], found["baseline_mae"]) == (1.0, 1.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_baseline_of_numbers_is_their_mean(weighted):
    rng = np.random.default_rng(0)
    y, values = rng.gamma(2.0, size=50), rng.normal(size=50)
    weight = rng.random(50) if weighted else None
    found = scores(Regression("y"), y, values, weight)
    mean = dummy.DummyRegressor().fit(y[:, None], y, weight).predict(y[:, None])
    rmse = metrics.root_mean_squared_error(y, mean, sample_weight=weight)
    assert found["baseline_rmse"] == pytest.approx(rmse)
    mae = metrics.mean_absolute_error(y, mean, sample_weight=weight)
    assert found["baseline_mae"] == pytest.approx(mae)
    assert found["r2"] == pytest.approx(1 - (found["rmse"] / found["baseline_rmse"]) ** 2)


def test_a_task_of_another_kind_is_scored_by_its_own_metrics():
    class Counts(Regression):
        kind = "counts"
        METRICS = {"rmse": MetricInfo("RMSE of counts", "min"), "mae": MetricInfo("MAE", "min")}

    # Errors 0, 0 and 2; the last example has no weight.
    y, predictions = np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [5.0]])
    values = scores(Counts("y"), y, predictions)
    assert values["rmse"] == pytest.approx(math.sqrt(4 / 3), rel=1e-6)
    assert scores(Counts("y"), y, predictions, np.array([1.0, 1.0, 0.0]))["rmse"] == 0
    described = metrics_of_task(Counts("y"))
    assert list(described) == list(values)
    assert described["rmse"] == MetricInfo("RMSE of counts", "min", compared=True)


def test_a_metric_that_is_not_described_is_an_error():
    class Lacking(Regression):
        METRICS = {"rmse": MetricInfo("RMSE", "min"), "mae": MetricInfo("MAE", None)}

    with pytest.raises(ValueError, match="Lacking.METRICS must say .* It lacks mae"):
        Lacking("y").directions()


def test_undefined_is_none():
    found = scores(Binary("y", (0, 1)), np.zeros(2), np.full((2, 1), 0.1))
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == {"auc", "average_precision", "f1", "recall", "precision"}
    assert (found["accuracy"], found["base_rate"], found["baseline_accuracy"]) == (1.0, 0.0, 1.0)
    # Nothing is predicted to be positive: precision is undefined, recall and F1 are 0.
    found = scores(Binary("y", (0, 1)), np.array([0, 1]), np.full((2, 1), 0.1))
    assert (found["precision"], found["recall"], found["f1"]) == (None, 0.0, 0.0)


def test_probabilities_are_normalised():
    target = Multiclass("y", ("a", "b", "c"))
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    y = rows.argmax(axis=1)
    off = scores(target, y, (rows * 1.00001).astype("float32"))
    assert off["log_loss"] == pytest.approx(scores(target, y, rows)["log_loss"], abs=1e-6)


def test_every_metric_is_described():
    for task, of_task in TASKS.items():
        outputs = 2 if task.startswith("multi") else 1
        target = task_of(task, 2)
        y = np.array([[0, 1], [1, 0]]) if task == "multilabel" else np.array([0, 1])
        assert list(scores(target, y, np.full((2, outputs), 0.5))) == list(of_task.METRICS)
        assert target.directions().keys() - {"loss"} <= log_names(target).keys()


@pytest.mark.parametrize("task", TASKS)
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
    assert metrics_of_task(both)["age.now.rmse"] == MetricInfo("age.now RMSE", "min", True)
    assert list(scores(both, y, predictions, weight, ["age.now_mae"], "_")) == ["age.now_mae"]
    assert list(exact_logs(both, y, predictions, weight)) == ["rich_auc"]
    logs = exact_logs(both, y, predictions, weight, also=["age.now_r2"])
    assert list(logs) == ["rich_auc", "age.now_r2"]


def test_no_row_that_counts():
    found = scores(Regression("y"), np.zeros(2), np.zeros(2), np.zeros(2))
    assert set(found) == set(Regression.METRICS) and not any(found.values())


def test_predictions_that_are_no_numbers_have_no_scores():
    found = scores(Binary("y"), np.array([0, 1]), np.array([[np.nan], [0.5]]))
    assert set(found) == set(Binary.METRICS) and not any(found.values())


def test_remarks_say_what_accuracy_hides():
    task = Binary("y", ("no", "yes"), threshold=0.3)
    y, p = np.array([0.0] * 19 + [1.0]), np.full((20, 1), 0.09)
    at, hidden = remarks(task, scores(task, y, p))
    assert "'yes' from a probability of 0.3 on" in at
    assert "not better than that of always predicting 'no' (0.9500)" in hidden
    shifted = remarks(task, scores(task, y, p + 0.11))[-1]
    assert shifted.startswith("The mean probability of 'yes' is 0.2000, and 0.0500 of the rows are")
    p[:-1], p[-1] = 0.02, 0.9
    assert len(remarks(task, scores(task, y, p))) == 1
    both = MultiTask("both", (task, Regression("age")))
    y, p = {"y": y, "age": np.arange(20.0)}, {"y": p, "age": np.arange(20.0)[::-1]}
    at, worse = remarks(both, scores(both, y, p, separator="_"), "_")
    assert at.startswith("y: Rows are predicted") and worse.startswith("age: The RMSE is not")
    classes = Multiclass("y", 3)
    found = scores(classes, np.array([0, 0, 1]), np.eye(3)[[1, 1, 1]])
    assert "the most frequent class (0.6667)" in remarks(classes, found)[0]
    labels = Multilabel("y", ("a", "b"), (0.25, 0.5))
    found = scores(labels, np.array([[0, 1], [0, 1]]), np.array([[0.1, 0.4], [0.1, 0.9]]))
    at, hidden = remarks(labels, found)
    assert "a 0.25, b 0.5" in at and "most frequent value of each label (1.0000)" in hidden
