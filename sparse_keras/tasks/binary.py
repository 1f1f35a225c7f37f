"""Binary: which of two classes is it?"""

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
class Binary(SingleTask):
    """Two classes. A model predicts the probability of the second one.

    Args:
        name: What is predicted.
        classes: The two classes, the positive one last.
    """

    classes: tuple = (0, 1)

    kind: ClassVar[str] = "binary"
    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy", "focal")
    DIRECTIONS: ClassVar[dict[str, str]] = {"accuracy": "max", "auc": "max"}
    APPROXIMATE: ClassVar[tuple[str, ...]] = ("auc",)

    def __post_init__(self):
        object.__setattr__(self, "classes", as_classes(self.classes, "classes", 2))
        if len(self.classes) > 2:
            raise ValueError(
                f"A Binary task has two classes. Received: {self.classes}. Use Multiclass for more."
            )

    @property
    def outputs(self) -> int:
        return 1

    def make_loss(self, kind, options, reduction):
        return sigmoid_loss(kind, options, reduction)

    def metrics(self):
        return [
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=BELOW_HALF),
            AUC(),
        ]

    def head(self, x, name="head", layer=keras.layers.Dense):
        return layer(1, activation="sigmoid", name=name, dtype="float32")(x)

    def decode(self, predictions) -> np.ndarray:
        """Returns the class of each example, an object array `[N]`: the second class for a
        probability of 0.5 and more."""
        probabilities = np.asarray(predictions, "float32").reshape(-1)
        return np.array(self.classes, dtype=object)[(probabilities >= 0.5).astype(int)]

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        frame = pd.DataFrame({column: self.decode(predictions)})
        frame[f"{prefix}{self.classes[1]}"] = np.asarray(predictions).reshape(-1)
        return frame
