"""Multilabel: which of several labels does it have, any number at once?"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import pandas as pd

from sparse_keras.tasks.auc import AUC
from sparse_keras.tasks.losses import sigmoid_loss
from sparse_keras.tasks.metrics import BELOW_HALF
from sparse_keras.tasks.single_task import SingleTask, as_classes


@keras.saving.register_keras_serializable(package="sparse_keras")
@dataclasses.dataclass(frozen=True)
class Multilabel(SingleTask):
    """Labels, of which each example has any number. A model predicts the probability of each.

    Args:
        name: What the labels are called together.
        labels: The labels, or their number.
    """

    labels: tuple = ()

    kind: ClassVar[str] = "multilabel"
    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy", "focal")
    DIRECTIONS: ClassVar[dict[str, str]] = {"accuracy": "max", "auc": "max"}
    APPROXIMATE: ClassVar[tuple[str, ...]] = ("auc",)

    def __post_init__(self):
        object.__setattr__(self, "labels", as_classes(self.labels, "labels", 1))

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def make_loss(self, kind, options, reduction):
        return sigmoid_loss(kind, options, reduction)

    def metrics(self):
        return [
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=BELOW_HALF),
            AUC(self.outputs),
        ]

    def head(self, x, name="head", layer=keras.layers.Dense):
        return layer(self.outputs, activation="sigmoid", name=name, dtype="float32")(x)

    def decode(self, predictions) -> pd.DataFrame:
        """Returns a bool column for each label: True for a probability of 0.5 and more."""
        probabilities = np.asarray(predictions, "float32").reshape(-1, self.outputs)
        return pd.DataFrame(probabilities >= 0.5, columns=list(self.labels))

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        frame, predictions = self.decode(predictions), np.asarray(predictions)
        for number, label in enumerate(self.labels):
            frame[f"{prefix}{label}"] = predictions[:, number]
        return frame
