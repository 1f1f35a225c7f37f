"""The metrics by which models are compared: of predictions, whatever made them.

Keras's metrics of a training are approximations (AUC by thresholds), and other libraries have their
own. Here all sides go through the same functions of scikit-learn.
"""

import math
import warnings

import numpy as np
from sklearn import metrics

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


def metrics_of_target(target):
    """The metrics of a target: `{name: {"head": ..., "higher_is_better": ...}}`."""
    return {
        name: {"head": head, "higher_is_better": higher}
        for name, (head, higher) in METRICS[target.task].items()
    }


def scores(target, y, predictions):
    """All metrics of a target.

    Args:
        target: A `data.Target`.
        y: The rows' target as `Target.encode` has it.
        predictions: `[N, outputs]`: probabilities, or values for regression.

    Returns:
        A dict from the metrics' names to floats; None where a metric is not defined, such as the
        AUC of rows that are all of one class.
    """
    y = np.asarray(y)
    predictions = np.asarray(predictions, "float64").reshape(len(y), -1)
    with warnings.catch_warnings(action="ignore"):  # Undefined metrics are told by None.
        found = _SCORES[target.task](y, predictions)
    return {name: _float(value) for name, value in found.items()}


def _binary(y, probability):
    return {
        "auc": _auc(y, probability[:, 0]),
        "accuracy": metrics.accuracy_score(y, probability[:, 0] >= 0.5),
    }


def _multiclass(y, probability):
    # Rounding in float32 leaves sums a little off 1.
    probability = probability / probability.sum(axis=1, keepdims=True)
    predicted = probability.argmax(axis=1)
    return {
        "accuracy": metrics.accuracy_score(y, predicted),
        # Over the classes that are there: a class that no test row has says nothing.
        "macro_f1": metrics.f1_score(
            y, predicted, average="macro", labels=np.unique(y), zero_division=0
        ),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        "log_loss": metrics.log_loss(y, probability, labels=range(probability.shape[1])),
    }


def _multilabel(y, probability):
    predicted = probability >= 0.5
    aucs = [_auc(*columns) for columns in zip(y.T, probability.T, strict=True)]
    known = [auc for auc in aucs if auc is not None]
    hamming = metrics.hamming_loss(y, predicted)
    return {
        "auc": sum(known) / len(known) if known else None,
        "micro_f1": metrics.f1_score(y, predicted, average="micro", zero_division=0),
        "accuracy": 1.0 - hamming,
        "hamming_loss": hamming,
    }


def _regression(y, values):
    return {
        "rmse": metrics.root_mean_squared_error(y, values[:, 0]),
        "mae": metrics.mean_absolute_error(y, values[:, 0]),
        "r2": metrics.r2_score(y, values[:, 0]),
    }


def _auc(y, probability):
    return metrics.roc_auc_score(y, probability) if len(np.unique(y)) == 2 else None


_SCORES = {
    "binary": _binary,
    "multiclass": _multiclass,
    "multilabel": _multilabel,
    "regression": _regression,
}


def _float(value):
    return None if value is None or not math.isfinite(value) else float(value)
