"""The metrics by which models are compared: of predictions, whatever made them.

Keras's metrics of a training are approximations (AUC by thresholds), and other libraries have their
own. Here all sides go through the same functions of scikit-learn.
"""

import math
import warnings

import numpy as np
from sklearn import metrics

from sparse_keras.tasks import MultiTask

# Of each task, in this order: name, what tables call it, whether larger values are better.
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


def metrics_of_task(task):
    """The metrics of a task: `{name: {"head": ..., "higher_is_better": ...}}`.

    Of several tasks each has its own, named `<target>.<metric>`.
    """
    if isinstance(task, MultiTask):
        return {
            f"{member.name}.{name}": metric | {"head": f"{member.name} {metric['head']}"}
            for member in task.tasks
            for name, metric in metrics_of_task(member).items()
        }
    return {
        name: {"head": head, "higher_is_better": higher}
        for name, (head, higher) in METRICS[task.kind].items()
    }


def scores(task, y, predictions, weight=None):
    """All metrics of a task.

    Args:
        task: A `Task`.
        y: The rows' target as its `encode` has it: an array, or a dict of arrays.
        predictions: `[N, outputs]`: probabilities, or values for regression; or a dict of such.
        weight: What each row counts, an array or a dict of arrays; None: all alike. Rows of
            weight 0, which may have no label, are left out.

    Returns:
        A dict from the metrics' names to floats; None where a metric is not defined, such as the
        AUC of rows that are all of one class.
    """
    if isinstance(task, MultiTask):
        return {
            f"{one.name}.{name}": value
            for one in task.tasks
            for name, value in scores(
                one,
                y[one.name],
                predictions[one.name],
                None if weight is None else weight[one.name],
            ).items()
        }
    y = np.asarray(y)
    predictions = np.asarray(predictions, "float64").reshape(len(y), -1)
    if weight is not None:
        there = np.asarray(weight) > 0
        y, predictions, weight = y[there], predictions[there], np.asarray(weight)[there]
    with warnings.catch_warnings(action="ignore"):  # Undefined metrics are told by None.
        found = _SCORES[task.kind](y, predictions, weight) if len(y) else {}
    return {name: _float(found.get(name)) for name in METRICS[task.kind]}


def _binary(y, probability, weight):
    return {
        "auc": _auc(y, probability[:, 0], weight),
        "accuracy": metrics.accuracy_score(y, probability[:, 0] >= 0.5, sample_weight=weight),
    }


def _multiclass(y, probability, weight):
    # Rounding in float32 leaves sums a little off 1.
    probability = probability / probability.sum(axis=1, keepdims=True)
    predicted = probability.argmax(axis=1)
    weighted, there = {"sample_weight": weight}, np.unique(y)
    classes = range(probability.shape[1])
    return {
        "accuracy": metrics.accuracy_score(y, predicted, **weighted),
        # Over the classes that are there: a class that no test row has says nothing.
        "macro_f1": metrics.f1_score(
            y, predicted, average="macro", labels=there, zero_division=0, **weighted
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
