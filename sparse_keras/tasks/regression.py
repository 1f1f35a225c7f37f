"""Regression: which number is it?"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import pandas as pd

from sparse_keras.tasks.losses import StandardisedLoss
from sparse_keras.tasks.metric_info import MetricInfo
from sparse_keras.tasks.single_task import SingleTask


@keras.saving.register_keras_serializable(package="sparse_keras")
@dataclasses.dataclass(frozen=True)
class Regression(SingleTask):
    """A number. A model predicts it in the target's own unit.

    Args:
        name: What is predicted.
        mean: Mean of the target over the training examples: where an untrained model starts.
        std: Their standard deviation, in which the loss is measured. 0, of a constant target,
            counts as 1.
    """

    mean: float = 0.0
    std: float = 1.0

    kind: ClassVar[str] = "regression"
    LOSSES: ClassVar[tuple[str, ...]] = ("mean_squared_error", "mean_absolute_error", "huber")
    METRICS: ClassVar[dict[str, MetricInfo]] = {
        "rmse": MetricInfo("RMSE", "min", compared=True),
        "mae": MetricInfo("MAE", "min", compared=True),
        "r2": MetricInfo("R²", "max", compared=True),
        "baseline_rmse": MetricInfo("RMSE of the mean", None),
        "baseline_mae": MetricInfo("MAE of the mean", None),
    }

    def __post_init__(self):
        if self.std < 0:
            raise ValueError(f"`std` must not be negative. Received: std={self.std}.")

    @property
    def outputs(self) -> int:
        return 1

    @property
    def scale(self) -> float:
        return self.std or 1.0

    def make_loss(self, kind, options, reduction):
        losses = {
            "huber": keras.losses.Huber,
            "mean_absolute_error": keras.losses.MeanAbsoluteError,
            "mean_squared_error": keras.losses.MeanSquaredError,
        }
        return StandardisedLoss(losses[kind](**options), self.scale, reduction=reduction)

    def metrics(self):
        return [
            keras.metrics.RootMeanSquaredError(name="rmse"),
            keras.metrics.MeanAbsoluteError(name="mae"),
        ]

    def head(self, x, name="head", layer=keras.layers.Dense):
        x = layer(1, activation="linear", name=name, dtype="float32")(x)
        if (self.mean, self.scale) != (0.0, 1.0):
            to_unit = keras.layers.Rescaling(
                self.scale, self.mean, name=f"{name}_scale", dtype="float32"
            )
            x = to_unit(x)
        return x

    def decode(self, predictions) -> np.ndarray:
        """Returns the predicted numbers, float32 `[N]`."""
        return np.asarray(predictions, "float32").reshape(-1)

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        return pd.DataFrame({column: self.decode(predictions)})
