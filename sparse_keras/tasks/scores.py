"""The metrics of a task, computed exactly from all predictions.

Metrics that Keras accumulates batch by batch may be approximations, such as AUC, and other
libraries have their own. Here all models are scored by the same functions, those of scikit-learn
for the library's own tasks: in `train`, `evaluate` and `compare`. A task of another kind is scored
by its own metrics.

The names of the metrics, and what tables call them, are in `METRICS` of each task.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from sklearn import metrics

from sparse_keras.tasks.base import Task
from sparse_keras.tasks.binary import Binary
from sparse_keras.tasks.metric_info import MetricInfo
from sparse_keras.tasks.multi_task import MultiTask
from sparse_keras.tasks.multiclass import Multiclass
from sparse_keras.tasks.multilabel import Multilabel
from sparse_keras.tasks.regression import Regression
from sparse_keras.tasks.single_task import SingleTask
from sparse_keras.tasks.thresholds import is_positive


def metrics_of_task(task: Task, separator: str = ".") -> dict[str, MetricInfo]:
    """Describes all that `scores` computes, in its order.

    Args:
        task: A `Task`. With several tasks, the metrics of each are named `<task>.<metric>`.
        separator: What stands between the two. Keras has "_" in its logs.
    """
    if isinstance(task, MultiTask):
        return {
            f"{member.name}{separator}{name}": MetricInfo(
                f"{member.name} {info.label}", info.best, info.compared
            )
            for member in task.tasks
            for name, info in metrics_of_task(member).items()
        }
    if task.kind in _SCORES:
        return dict(task.METRICS)
    # Its own metrics are few, and there is nothing else to compare.
    directions = task.directions()
    names = [metric.name for metric in task.metrics()]
    if task.SCORED_BY_BATCHES:
        names = ["loss", *names]
    return {
        name: MetricInfo(task.METRICS[name].label, directions[name], compared=True)
        for name in names
    }


def scores(
    task: Task,
    y: Any,
    predictions: Any,
    weight: Any = None,
    names: Collection[str] | None = None,
    separator: str = ".",
) -> dict[str, float | None]:
    """Computes the metrics of a task.

    Args:
        task: A `Task`. Classes and labels are decided at its threshold.
        y: The encoded targets: an array, or a dict of arrays for several tasks.
        predictions: What a network predicts, such as `[N, outputs]` probabilities or values; or a
            dict of arrays.
        weight: The weight of each example, an array or a dict of arrays. None: all equal. Examples
            of weight 0, which may have no label, are left out.
        names: The metrics to compute, by the names of `metrics_of_task`. `None`: all.
        separator: As for `metrics_of_task`.

    Returns:
        A dict from the metrics' names to floats; None where a metric is undefined, such as the AUC
        of examples that all belong to the same class, and where a prediction is NaN or infinite.
    """
    if isinstance(task, MultiTask):
        values = {}
        for member in task.tasks:
            prefix = f"{member.name}{separator}"
            wanted = names and [
                name.removeprefix(prefix) for name in names if name.startswith(prefix)
            ]
            of_member = scores(
                member,
                y[member.name],
                predictions[member.name],
                None if weight is None else weight[member.name],
                wanted,
            )
            values |= {f"{prefix}{name}": value for name, value in of_member.items()}
        return values
    if task.kind not in _SCORES:
        return _scores_of_own_metrics(task, y, predictions, weight)
    y = np.asarray(y)
    predictions = np.asarray(predictions, "float64").reshape(len(y), -1)
    if weight is not None:
        labelled = np.asarray(weight) > 0
        y, predictions = y[labelled], predictions[labelled]
        weight = np.asarray(weight, "float64")[labelled]
    examples = _Examples(task, y, predictions, weight)
    defined = len(y) and np.isfinite(predictions).all()
    values = {}
    with warnings.catch_warnings(action="ignore"):  # Undefined metrics are None.
        for name in task.METRICS:
            if names is not None and name not in names:
                continue
            value = _SCORES[task.kind][name](examples) if defined else None
            values[name] = _float(value)
    return values


def log_names(task: Task) -> dict[str, MetricInfo]:
    """Describes the metrics that early stopping can monitor beside the logged ones, by the names
    that logs would have: those that `scores` computes and that can be better or worse."""
    return {
        name: info for name, info in metrics_of_task(task, "_").items() if info.best is not None
    }


def exact_logs(
    task: Task, y: Any, predictions: Any, weight: Any = None, also: Collection[str] = ()
) -> dict[str, float]:
    """Computes those metrics that Keras only approximates, by the names that Keras logs.

    Args:
        task, y, predictions, weight: As for `scores`.
        also: More metrics to compute, by their names in `log_names`.

    Returns:
        A dict from names, such as `auc`, or `income_auc` with several tasks, to floats; NaN where a
        metric is undefined.
    """
    several = isinstance(task, MultiTask)
    names = [
        f"{member.name}_{name}" if several else name
        for member in task.single_tasks()
        for name in member.APPROXIMATE
    ]
    names = [*names, *also]
    values = scores(task, y, predictions, weight, names, "_") if names else {}
    return {name: math.nan if value is None else value for name, value in values.items()}


def remarks(task: Task, values: dict[str, float | None], separator: str = ".") -> list[str]:
    """Says in sentences what the metrics of a model do not say by themselves.

    Args:
        task: A `Task`, with the threshold at which the metrics were computed.
        values: What `scores` returned.
        separator: As for `scores`.
    """
    if isinstance(task, MultiTask):
        sentences = []
        for member in task.tasks:
            prefix = f"{member.name}{separator}"
            own = {
                name.removeprefix(prefix): value
                for name, value in values.items()
                if name.startswith(prefix)
            }
            sentences += [f"{member.name}: {sentence}" for sentence in remarks(member, own)]
        return sentences
    sentences = []
    if isinstance(task, Binary):
        sentences.append(
            f"Rows are predicted to be {task.classes[1]!r} from a probability of "
            f"{task.threshold:.4g} on: accuracy, balanced accuracy, F1, recall and precision are "
            "at this threshold."
        )
    elif isinstance(task, Multilabel):
        sentences.append(f"{_thresholds(task)}: accuracy, F1 and Hamming loss are at these.")
    accuracy, baseline = values.get("accuracy"), values.get("baseline_accuracy")
    if None not in (accuracy, baseline) and accuracy <= baseline:
        rate = values.get("base_rate")
        always = "the most frequent class"
        if isinstance(task, Binary) and rate is not None:
            always = repr(task.classes[int(rate > 0.5)])
        if isinstance(task, Multilabel):
            always = "the most frequent value of each label"
        sentences.append(
            f"Accuracy is not better than that of always predicting {always} "
            f"({baseline:.4f}): it says little here."
        )
    rate, mean = values.get("base_rate"), values.get("mean_probability")
    if None not in (rate, mean) and not rate / 2 <= mean <= 2 * rate:
        sentences.append(
            f"The mean probability of {task.classes[1]!r} is {mean:.4f}, and {rate:.4f} of the "
            "rows are: use the probabilities to rank rows, not as frequencies. Causes are "
            "training.class_weight, or rows that differ from those of training."
        )
    rmse, baseline = values.get("rmse"), values.get("baseline_rmse")
    if None not in (rmse, baseline) and rmse >= baseline:
        sentences.append(
            f"The RMSE is not better than that of always predicting the mean ({baseline:.4g})."
        )
    return sentences


def _thresholds(task):
    """The thresholds of labels, in words."""
    if not isinstance(task.threshold, tuple):
        return f"Labels are predicted from a probability of {task.threshold:.4g} on"
    named = ", ".join(
        f"{label} {one:.4g}" for label, one in zip(task.labels, task.threshold, strict=True)
    )
    return f"Labels are predicted from these probabilities on ({named})"


def _scores_of_own_metrics(task, y, predictions, weight):
    values = {}
    for metric in task.metrics():
        metric.update_state(y, predictions, sample_weight=weight)
        values[metric.name] = _float(float(metric.result()))
    return values


class _Examples:
    """What the functions below compute a metric of."""

    def __init__(self, task: SingleTask, y, predictions, weight):
        self.task, self.y, self.predictions, self.weight = task, y, predictions, weight

    @functools.cached_property
    def probability(self):
        """`[N, C]`; of two classes that of the second one, `[N]`."""
        if isinstance(self.task, Multiclass):
            # Rounding in float32 leaves sums a little off 1.
            return self.predictions / self.predictions.sum(axis=1, keepdims=True)
        return self.predictions[:, 0] if isinstance(self.task, Binary) else self.predictions

    @functools.cached_property
    def decided(self):
        """The predicted classes `[N]`, or labels `[N, L]`."""
        if isinstance(self.task, Multiclass):
            return self.probability.argmax(axis=1)
        return is_positive(self.probability, self.task.threshold)

    def of_classes(self, metric: Callable, **kwargs: Any):
        return metric(self.y, self.decided, sample_weight=self.weight, **kwargs)

    def of_probabilities(self, metric: Callable, **kwargs: Any):
        return metric(self.y, self.probability, sample_weight=self.weight, **kwargs)

    def of_values(self, metric: Callable):
        return metric(self.y, self.predictions[:, 0], sample_weight=self.weight)

    def of_both(self, metric: Callable):
        """A metric of two classes, of one label or as the mean over several; None if no label has
        both positive and negative examples."""
        if isinstance(self.task, Binary):
            columns = [(self.y, self.probability)]
        else:
            columns = zip(self.y.T, self.probability.T, strict=True)
        known = [
            metric(*column, sample_weight=self.weight)
            for column in columns
            if len(np.unique(column[0])) == 2
        ]
        return sum(known) / len(known) if known else None

    def of_mean(self, metric: Callable):
        """The error of predicting the mean of these examples."""
        mean = np.full(len(self.y), np.average(self.y.astype("float64"), weights=self.weight))
        return metric(self.y, mean, sample_weight=self.weight)

    @property
    def base_rate(self):
        return np.average(self.y.astype("float64"), axis=0, weights=self.weight)

    @property
    def largest_class(self):
        counts = np.bincount(self.y.astype(int), weights=self.weight)
        return counts.max() / counts.sum()


_NO_CASE = {"zero_division": np.nan}
_SCORES: dict[str, dict[str, Callable[[_Examples], Any]]] = {
    Binary.kind: {
        "auc": lambda of: of.of_both(metrics.roc_auc_score),
        "average_precision": lambda of: of.of_both(metrics.average_precision_score),
        "log_loss": lambda of: of.of_probabilities(metrics.log_loss, labels=[0, 1]),
        "brier": lambda of: of.of_probabilities(metrics.brier_score_loss, pos_label=1),
        "accuracy": lambda of: of.of_classes(metrics.accuracy_score),
        "balanced_accuracy": lambda of: of.of_classes(metrics.balanced_accuracy_score),
        "f1": lambda of: of.of_classes(metrics.f1_score, **_NO_CASE),
        "recall": lambda of: of.of_classes(metrics.recall_score, **_NO_CASE),
        "precision": lambda of: of.of_classes(metrics.precision_score, **_NO_CASE),
        "threshold": lambda of: of.task.threshold,
        "base_rate": lambda of: of.base_rate,
        "mean_probability": lambda of: np.average(of.probability, weights=of.weight),
        "baseline_accuracy": lambda of: max(of.base_rate, 1 - of.base_rate),
    },
    Multiclass.kind: {
        "accuracy": lambda of: of.of_classes(metrics.accuracy_score),
        # Over the classes that occur: one that no test example has says nothing.
        "macro_f1": lambda of: of.of_classes(
            metrics.f1_score, average="macro", labels=np.unique(of.y), zero_division=0
        ),
        "balanced_accuracy": lambda of: of.of_classes(metrics.balanced_accuracy_score),
        "log_loss": lambda of: of.of_probabilities(metrics.log_loss, labels=range(of.task.outputs)),
        "baseline_accuracy": lambda of: of.largest_class,
    },
    Multilabel.kind: {
        "auc": lambda of: of.of_both(metrics.roc_auc_score),
        "average_precision": lambda of: of.of_both(metrics.average_precision_score),
        "micro_f1": lambda of: of.of_classes(metrics.f1_score, average="micro", zero_division=0),
        "accuracy": lambda of: 1.0 - of.of_classes(metrics.hamming_loss),
        "hamming_loss": lambda of: of.of_classes(metrics.hamming_loss),
        "base_rate": lambda of: of.base_rate.mean(),
        "baseline_accuracy": lambda of: np.maximum(of.base_rate, 1 - of.base_rate).mean(),
    },
    Regression.kind: {
        "rmse": lambda of: of.of_values(metrics.root_mean_squared_error),
        "mae": lambda of: of.of_values(metrics.mean_absolute_error),
        "r2": lambda of: of.of_values(metrics.r2_score),
        "baseline_rmse": lambda of: of.of_mean(metrics.root_mean_squared_error),
        "baseline_mae": lambda of: of.of_mean(metrics.mean_absolute_error),
    },
}


def _float(value):
    return None if value is None or not math.isfinite(value) else float(value)
