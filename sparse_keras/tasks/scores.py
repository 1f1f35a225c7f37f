"""The metrics of a task, computed exactly from all predictions.

Metrics that Keras accumulates batch by batch may be approximations, such as AUC, and other
libraries have their own. Here all models are scored by the same functions, those of scikit-learn
for the library's own tasks. A task of another kind is scored by its own metrics.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from sklearn import metrics

from sparse_keras.tasks.base import Task
from sparse_keras.tasks.multi_task import MultiTask

# For each kind of task: names of metrics, their names in tables, whether larger is better.
METRICS = {
    "binary": {"auc": ("AUC", True), "accuracy": ("accuracy", True)},
    "multiclass": {
        "accuracy": ("accuracy", True),
        "macro_f1": ("macro F1", True),
        "balanced_accuracy": ("balanced accuracy", True),
        "log_loss": ("log loss", False),
    },
    "multilabel": {
        "auc": ("macro AUC", True),
        "micro_f1": ("micro F1", True),
        "accuracy": ("accuracy of labels", True),
        "hamming_loss": ("Hamming loss", False),
    },
    "regression": {"rmse": ("RMSE", False), "mae": ("MAE", False), "r2": ("R²", True)},
}


def metrics_of_task(task: Task) -> dict[str, dict[str, Any]]:
    """Describes the metrics of a task: `{name: {"head": ..., "higher_is_better": ...}}`.

    With several tasks, the metrics of each are named `<task>.<metric>`.
    """
    if isinstance(task, MultiTask):
        return {
            f"{member.name}.{name}": metric | {"head": f"{member.name} {metric['head']}"}
            for member in task.tasks
            for name, metric in metrics_of_task(member).items()
        }
    known = METRICS.get(task.kind)
    if known is None:
        directions = task.directions()
        known = {
            metric.name: (metric.name.replace("_", " "), directions[metric.name] == "max")
            for metric in task.metrics()
        }
    return {
        name: {"head": head, "higher_is_better": higher} for name, (head, higher) in known.items()
    }


def scores(task: Task, y: Any, predictions: Any, weight: Any = None) -> dict[str, float | None]:
    """Computes all metrics of a task.

    Args:
        task: A `Task`.
        y: The encoded targets: an array, or a dict of arrays for several tasks.
        predictions: What a network predicts, such as `[N, outputs]` probabilities or values; or a
            dict of arrays.
        weight: The weight of each example, an array or a dict of arrays. None: all equal. Examples
            of weight 0, which may have no label, are left out.

    Returns:
        A dict from the metrics' names to floats; None where a metric is undefined, such as the AUC
        of examples that all belong to the same class, and where a prediction is NaN or infinite.
    """
    if isinstance(task, MultiTask):
        return {
            f"{member.name}.{name}": value
            for member in task.tasks
            for name, value in scores(
                member,
                y[member.name],
                predictions[member.name],
                None if weight is None else weight[member.name],
            ).items()
        }
    if task.kind not in _SCORES:
        return _scores_of_own_metrics(task, y, predictions, weight)
    y = np.asarray(y)
    predictions = np.asarray(predictions, "float64").reshape(len(y), -1)
    if weight is not None:
        labelled = np.asarray(weight) > 0
        y, predictions = y[labelled], predictions[labelled]
        weight = np.asarray(weight)[labelled]
    with warnings.catch_warnings(action="ignore"):  # Undefined metrics are None.
        defined = len(y) and np.isfinite(predictions).all()
        values = _SCORES[task.kind](y, predictions, weight) if defined else {}
    return {name: _float(values.get(name)) for name in METRICS[task.kind]}


def exact_logs(task: Task, y: Any, predictions: Any, weight: Any = None) -> dict[str, float]:
    """Computes those metrics that Keras only approximates, by the names that Keras logs.

    Args:
        task, y, predictions, weight: As for `scores`.

    Returns:
        A dict from names, such as `auc`, or `income_auc` with several tasks, to floats; NaN where a
        metric is undefined.
    """
    exact = {}
    for member in task.single_tasks():
        if not member.APPROXIMATE:
            continue
        several = isinstance(task, MultiTask)
        arrays = [
            values[member.name] if several and values is not None else values
            for values in (y, predictions, weight)
        ]
        values = scores(member, *arrays)
        for name in member.APPROXIMATE:
            log = f"{member.name}_{name}" if several else name
            exact[log] = math.nan if values[name] is None else values[name]
    return exact


def _scores_of_own_metrics(task, y, predictions, weight):
    values = {}
    for metric in task.metrics():
        metric.update_state(y, predictions, sample_weight=weight)
        values[metric.name] = _float(float(metric.result()))
    return values


def _binary(y, probability, weight):
    return {
        "auc": _auc(y, probability[:, 0], weight),
        "accuracy": metrics.accuracy_score(y, probability[:, 0] >= 0.5, sample_weight=weight),
    }


def _multiclass(y, probability, weight):
    # Rounding in float32 leaves sums a little off 1.
    probability = probability / probability.sum(axis=1, keepdims=True)
    predicted = probability.argmax(axis=1)
    weighted, present = {"sample_weight": weight}, np.unique(y)
    classes = range(probability.shape[1])
    return {
        "accuracy": metrics.accuracy_score(y, predicted, **weighted),
        # Over the classes that occur: one that no test example has says nothing.
        "macro_f1": metrics.f1_score(
            y, predicted, average="macro", labels=present, zero_division=0, **weighted
        ),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted, **weighted),
        "log_loss": metrics.log_loss(y, probability, labels=classes, **weighted),
    }


def _multilabel(y, probability, weight):
    predicted = probability >= 0.5
    aucs = [_auc(*columns, weight) for columns in zip(y.T, probability.T, strict=True)]
    known = [auc for auc in aucs if auc is not None]
    hamming = metrics.hamming_loss(y, predicted, sample_weight=weight)
    return {
        "auc": sum(known) / len(known) if known else None,
        "micro_f1": metrics.f1_score(
            y, predicted, average="micro", zero_division=0, sample_weight=weight
        ),
        "accuracy": 1.0 - hamming,
        "hamming_loss": hamming,
    }


def _regression(y, values, weight):
    arguments = {"y_true": y, "y_pred": values[:, 0], "sample_weight": weight}
    return {
        "rmse": metrics.root_mean_squared_error(**arguments),
        "mae": metrics.mean_absolute_error(**arguments),
        "r2": metrics.r2_score(**arguments),
    }


def _auc(y, probability, weight):
    if len(np.unique(y)) != 2:
        return None
    return metrics.roc_auc_score(y, probability, sample_weight=weight)


_SCORES = {
    "binary": _binary,
    "multiclass": _multiclass,
    "multilabel": _multilabel,
    "regression": _regression,
}


def _float(value):
    return None if value is None or not math.isfinite(value) else float(value)
