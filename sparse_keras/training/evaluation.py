"""Exact metrics where Keras's own are approximations, in training and after it."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import keras

from sparse_keras.data.batches import targets_of_batches
from sparse_keras.tasks.scores import exact_logs, scores

if TYPE_CHECKING:
    from sparse_keras.data import Batches
    from sparse_keras.tasks import Task


def evaluate(model: keras.Model, batches: Batches, task: Task) -> dict[str, float | None]:
    """Evaluates a compiled model as `keras.Model.evaluate` does, with exact metrics.

    Args:
        model: The model.
        batches: Batches that are not shuffled.
        task: What it predicts. Where the model has a task itself, which knows its threshold, that
            one counts.

    Returns:
        A dict from the names of the loss and of all metrics that `tasks.scores` computes to floats;
        `None` where a metric is undefined, such as the AUC of examples that all belong to the same
        class.
    """
    logs = model.evaluate(batches, return_dict=True, verbose=0)
    if task.SCORED_BY_BATCHES:
        logs |= task.exact_from_logs(logs)
        return {name: None if math.isnan(value) else value for name, value in logs.items()}
    y, weight = targets_of_batches(batches)
    task = getattr(model, "task", task)
    exact = scores(task, y, model.predict(batches, verbose=0), weight, separator="_")
    # The losses, and what layers log; a metric of Keras's is one of the exact ones.
    losses = {
        name: None if math.isnan(value) else value
        for name, value in logs.items()
        if name not in exact
    }
    return losses | exact


class ExactValidation(keras.callbacks.Callback):
    """Replaces the metrics of validation that Keras approximates by their exact values.

    The validation examples are predicted once more after each epoch for this, unless the exact
    values follow from other logs.

    Must be the first callback, so that all others, early stopping among them, see these.

    Args:
        batches: The batches of validation.
        task: What is predicted.
        also: Metrics that Keras does not log, to add to the logs: names in `scores.log_names`.
    """

    def __init__(self, batches: Batches, task: Task, also: Collection[str] = ()):
        super().__init__()
        self.batches, self.task, self.also = batches, task, tuple(also)

    def applies(self) -> bool:
        """Whether there is a metric to replace or to add."""
        if self.task.SCORED_BY_BATCHES:
            return True
        return bool(self.also) or any(member.APPROXIMATE for member in self.task.single_tasks())

    def on_epoch_end(self, epoch, logs=None):
        if self.task.SCORED_BY_BATCHES:
            validated = {
                name.removeprefix("val_"): value
                for name, value in logs.items()
                if name.startswith("val_")
            }
            exact = self.task.exact_from_logs(validated)
            logs.update({f"val_{name}": value for name, value in exact.items()})
            return
        y, weight = targets_of_batches(self.batches)
        predictions = self.model.predict(self.batches, verbose=0)
        exact = exact_logs(self.task, y, predictions, weight, self.also)
        logs.update({f"val_{name}": value for name, value in exact.items()})
