"""Binary: which of two classes is it?"""

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
class Binary(SingleTask):
    """Two classes. A model predicts the probability of the second one.

    Args:
        name: What is predicted.
        classes: The two classes, the positive one last.
        threshold: The probability from which on an example is of the positive class.
    """

    classes: tuple = (0, 1)
    threshold: float = DEFAULT

    kind: ClassVar[str] = "binary"
    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy", "focal")
    METRICS: ClassVar[dict[str, MetricInfo]] = {
        "auc": MetricInfo("AUC", "max", compared=True),
        "average_precision": MetricInfo("average precision", "max", compared=True),
        "log_loss": MetricInfo("log loss", "min"),
        "brier": MetricInfo("Brier score", "min"),
        "accuracy": MetricInfo("accuracy", "max", compared=True),
        "balanced_accuracy": MetricInfo("balanced accuracy", "max"),
        "f1": MetricInfo("F1", "max"),
        "recall": MetricInfo("recall", "max"),
        "precision": MetricInfo("precision", "max"),
        "threshold": MetricInfo("threshold", None),
        "base_rate": MetricInfo("base rate", None),
        "mean_probability": MetricInfo("mean probability", None),
        "baseline_accuracy": MetricInfo("accuracy of the most frequent class", None),
    }
    APPROXIMATE: ClassVar[tuple[str, ...]] = ("auc",)

    def __post_init__(self):
        object.__setattr__(self, "classes", as_classes(self.classes, "classes", 2))
        object.__setattr__(self, "threshold", check_threshold(self.threshold))
        if len(self.classes) > 2:
            raise ValueError(
                f"A Binary task has two classes. Received: {self.classes}. Use Multiclass for more."
            )

    @property
    def outputs(self) -> int:
        return 1

    def with_threshold(self, threshold: Any) -> Self:
        return dataclasses.replace(self, threshold=threshold)

    def tuned(self, criterion, y, predictions, weight=None) -> Self:
        probability = np.asarray(predictions).reshape(-1)
        threshold = tuned_threshold(criterion, y, probability, weight)
        return self if threshold is None else self.with_threshold(threshold)

    def make_loss(self, kind, options, reduction):
        return sigmoid_loss(kind, options, reduction)

    def metrics(self):
        return [ThresholdAccuracy(self.threshold), AUC()]

    def head(self, x, name="head", layer=keras.layers.Dense):
        return layer(1, activation="sigmoid", name=name, dtype="float32")(x)

    def decode(self, predictions) -> np.ndarray:
        """Returns the class of each example, an object array `[N]`: the second class for a
        probability of `threshold` and more."""
        positive = is_positive(np.asarray(predictions).reshape(-1), self.threshold)
        return np.array(self.classes, dtype=object)[positive.astype(int)]

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        frame = pd.DataFrame({column: self.decode(predictions)})
        frame[f"{prefix}{self.classes[1]}"] = np.asarray(predictions).reshape(-1)
        return frame
