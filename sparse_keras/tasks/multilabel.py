"""Multilabel: which of several labels does it have, any number at once?"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pandas as pd

from sparse_keras.tasks.auc import AUC
from sparse_keras.tasks.losses import sigmoid_loss
from sparse_keras.tasks.metric_info import MetricInfo
from sparse_keras.tasks.metrics import ThresholdAccuracy
from sparse_keras.tasks.single_task import SingleTask, as_classes
from sparse_keras.tasks.thresholds import DEFAULT, check_threshold, is_positive, tuned_threshold


@keras.saving.register_keras_serializable(package="sparse_keras")
@dataclasses.dataclass(frozen=True)
class Multilabel(SingleTask):
    """Labels, of which each example has any number. A model predicts the probability of each.

    Args:
        name: What the labels are called together.
        labels: The labels, or their number.
        threshold: The probability from which on an example has a label: one for all labels, or one
            for each.
    """

    labels: tuple = ()
    threshold: float | tuple[float, ...] = DEFAULT

    kind: ClassVar[str] = "multilabel"
    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy", "focal")
    METRICS: ClassVar[dict[str, MetricInfo]] = {
        "auc": MetricInfo("macro AUC", "max", compared=True),
        "average_precision": MetricInfo("macro average precision", "max"),
        "micro_f1": MetricInfo("micro F1", "max", compared=True),
        "accuracy": MetricInfo("accuracy of labels", "max", compared=True),
        "hamming_loss": MetricInfo("Hamming loss", "min", compared=True),
        "base_rate": MetricInfo("base rate of labels", None),
        "baseline_accuracy": MetricInfo("accuracy of the most frequent values", None),
    }
    APPROXIMATE: ClassVar[tuple[str, ...]] = ("auc",)

    def __post_init__(self):
        object.__setattr__(self, "labels", as_classes(self.labels, "labels", 1))
        object.__setattr__(self, "threshold", self._checked(self.threshold))

    def _checked(self, threshold):
        if not isinstance(threshold, (tuple, list, np.ndarray)):
            return check_threshold(threshold)
        if len(threshold) != len(self.labels):
            raise ValueError(
                f"Expected one threshold, or one for each of the {len(self.labels)} labels of "
                f"{self.name!r}. Received: {len(threshold)} thresholds."
            )
        return tuple(map(check_threshold, threshold))

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def with_threshold(self, threshold: Any) -> Self:
        return dataclasses.replace(self, threshold=threshold)

    def tuned(self, criterion, y, predictions, weight=None) -> Self:
        columns = zip(np.asarray(y).T, np.asarray(predictions).T, strict=True)
        found = [tuned_threshold(criterion, *column, weight) for column in columns]
        before = np.broadcast_to(self.threshold, len(self.labels))
        return self.with_threshold(
            [float(old) if new is None else new for old, new in zip(before, found, strict=True)]
        )

    def make_loss(self, kind, options, reduction):
        return sigmoid_loss(kind, options, reduction)

    def metrics(self):
        return [
            ThresholdAccuracy(self.threshold, num_labels=self.outputs),
            AUC(self.outputs),
        ]

    def head(self, x, name="head", layer=keras.layers.Dense):
        return layer(self.outputs, activation="sigmoid", name=name, dtype="float32")(x)

    def decode(self, predictions) -> pd.DataFrame:
        """Returns a bool column for each label: True for a probability of its threshold and
        more."""
        probabilities = np.asarray(predictions).reshape(-1, self.outputs)
        positive = is_positive(probabilities, self.threshold)
        return pd.DataFrame(positive, columns=list(self.labels))

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        frame, predictions = self.decode(predictions), np.asarray(predictions)
        for number, label in enumerate(self.labels):
            frame[f"{prefix}{label}"] = predictions[:, number]
        return frame
