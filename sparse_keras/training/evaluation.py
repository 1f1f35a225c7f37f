"""Exact metrics where Keras's own are approximations, in training and after it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras

from sparse_keras.data.batches import arrays_of
from sparse_keras.tasks.scores import exact_logs

if TYPE_CHECKING:
    from sparse_keras.data import Batches
    from sparse_keras.tasks import Task


def evaluate(model: keras.Model, batches: Batches, task: Task) -> dict[str, float | None]:
    """Evaluates a compiled model as `keras.Model.evaluate` does, with exact metrics.

    Args:
        model: The model.
        batches: Batches that are not shuffled.
        task: What it predicts.

    Returns:
        A dict from the names of the loss and the metrics to floats; `None` where a metric is
        undefined, such as the AUC of examples that all belong to the same class.
    """
    logs = model.evaluate(batches, return_dict=True, verbose=0)
    logs |= _exact(model, batches, task)
    return {name: None if math.isnan(value) else value for name, value in logs.items()}


class ExactValidation(keras.callbacks.Callback):
    """Replaces the metrics of validation that Keras approximates by their exact values.

    The validation examples are predicted once more after each epoch for this.

    Must be the first callback, so that all others, early stopping among them, see these.

    Args:
        batches: The batches of validation.
        task: What is predicted.
    """

    def __init__(self, batches: Batches, task: Task):
        super().__init__()
        self.batches, self.task = batches, task

    @staticmethod
    def applies_to(task: Task) -> bool:
        """Whether Keras approximates any metric of a task."""
        return any(member.APPROXIMATE for member in task.single_tasks())

    def on_epoch_end(self, epoch, logs=None):
        exact = _exact(self.model, self.batches, self.task)
        logs.update({f"val_{name}": value for name, value in exact.items()})


def _exact(model, batches, task):
    if not ExactValidation.applies_to(task):
        return {}
    _, y, weight = arrays_of(batches)
    return exact_logs(task, y, model.predict(batches, verbose=0), weight)
