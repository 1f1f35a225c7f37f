"""Multiclass: which of several classes is it?"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import pandas as pd

from sparse_keras.tasks.losses import OneHotLoss
from sparse_keras.tasks.metric_info import MetricInfo
from sparse_keras.tasks.metrics import BalancedAccuracy, MacroF1
from sparse_keras.tasks.single_task import SingleTask, as_classes


@keras.saving.register_keras_serializable(package="sparse_keras")
@dataclasses.dataclass(frozen=True)
class Multiclass(SingleTask):
    """Several classes, of which each example has one. A model predicts their probabilities.

    Args:
        name: What is predicted.
        classes: The classes, or their number.
    """

    classes: tuple = ()

    kind: ClassVar[str] = "multiclass"
    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy", "focal")
    METRICS: ClassVar[dict[str, MetricInfo]] = {
        "accuracy": MetricInfo("accuracy", "max", compared=True),
        "macro_f1": MetricInfo("macro F1", "max", compared=True),
        "balanced_accuracy": MetricInfo("balanced accuracy", "max", compared=True),
        "log_loss": MetricInfo("log loss", "min", compared=True),
        "baseline_accuracy": MetricInfo("accuracy of the most frequent class", None),
    }

    def __post_init__(self):
        object.__setattr__(self, "classes", as_classes(self.classes, "classes", 2))

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def make_loss(self, kind, options, reduction):
        if kind == "cross_entropy" and not options.get("label_smoothing"):
            return keras.losses.SparseCategoricalCrossentropy(reduction=reduction)
        # Keras has these for one-hot targets only.
        if kind == "focal":
            loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, **options)
        else:
            loss = keras.losses.CategoricalCrossentropy(**options)
        return OneHotLoss(loss, self.outputs, reduction=reduction)

    def metrics(self):
        return [
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            # Where nearly all rows are of one class, accuracy says little.
            MacroF1(self.outputs),
            BalancedAccuracy(self.outputs),
        ]

    def head(self, x, name="head", layer=keras.layers.Dense):
        return layer(self.outputs, activation="softmax", name=name, dtype="float32")(x)

    def decode(self, predictions) -> np.ndarray:
        """Returns the most probable class of each example, an object array `[N]`."""
        probabilities = np.asarray(predictions, "float32").reshape(-1, self.outputs)
        return np.array(self.classes, dtype=object)[probabilities.argmax(axis=1)]

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        frame = pd.DataFrame({column: self.decode(predictions)})
        for label, probabilities in zip(self.classes, np.asarray(predictions).T, strict=True):
            frame[f"{prefix}{label}"] = probabilities
        return frame
