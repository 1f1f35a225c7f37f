"""`training.threshold`: numbers go to the task before training, names are tuned after it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from sparse_keras._internal.suggest import listing
from sparse_keras.data.batches import targets_of_batches
from sparse_keras.schema.sections.imbalance import is_tuned
from sparse_keras.tasks import MultiTask
from sparse_keras.tasks.thresholds import DEFAULT

if TYPE_CHECKING:
    from sparse_keras.data import Batches, Dataset
    from sparse_keras.schema.sections.training import TrainingConfig
    from sparse_keras.tasks import Task


def task_of_training(task: Task, training: TrainingConfig) -> Task:
    """Returns a task with the thresholds that a config gives as numbers.

    Args:
        task: The task of the data.
        training: The validated `training` section.

    Raises:
        ValueError: If a threshold, also one that is tuned, does not fit the task.
    """
    threshold = training.threshold
    if threshold == DEFAULT:
        return task
    if isinstance(threshold, dict) and not isinstance(task, MultiTask):
        raise ValueError(
            "training.threshold names a threshold for each of several targets. Received one "
            f"target, {task.name!r}. Expected a number, f1 or balanced_accuracy."
        )
    try:
        # What is tuned is the default until then.
        return task.with_threshold(_numbers(threshold))
    except ValueError as error:
        raise ValueError(f"training.threshold: {error}") from None


def _numbers(threshold):
    if isinstance(threshold, dict):
        return {name: _numbers(one) for name, one in threshold.items()}
    return DEFAULT if isinstance(threshold, str) else threshold


def check_threshold(threshold: Any, data: Dataset) -> None:
    """Checks, before training, that a threshold can be tuned after it, and kept.

    Args:
        threshold: `training.threshold`.
        data: The data set.

    Raises:
        ValueError: If not.
    """
    if threshold != DEFAULT and data.preprocessor is None:
        raise ValueError(
            "training.threshold: the threshold is saved with the preprocessing, which the data set "
            f"{data.name!r} does not have. Received: {threshold!r}. Leave it out."
        )
    if not is_tuned(threshold):
        return
    if data.validation is None:
        raise ValueError(
            f"training.threshold: {threshold!r} is tuned on validation rows, and the data set "
            f"{data.name!r} has none. Give a number, or hold rows out."
        )
    y, weight = targets_of_batches(data.validation)
    tunable, not_tunable = _tunable(data.task, threshold, y, weight)
    if not tunable:
        raise ValueError(
            f"training.threshold: {threshold!r} is tuned on validation rows of both classes, and "
            f"the {_rows(y):,} validation rows have one class of {listing(not_tunable)}. Hold "
            "out more rows, or give a number."
        )
    if not_tunable:
        warnings.warn(
            "The validation rows have one class of "
            f"{listing(not_tunable)}, whose threshold stays {DEFAULT}.",
            stacklevel=2,
        )


def tune_threshold(model: keras.Model, threshold: Any, validation: Batches | None) -> None:
    """Sets the threshold of a model to the one that is best on validation rows.

    Args:
        model: The trained `PreprocessedModel`.
        threshold: `training.threshold`. Nothing is done if it is no name.
        validation: Batches that are not shuffled.
    """
    if not is_tuned(threshold):
        return
    if isinstance(threshold, dict):
        threshold = {name: one for name, one in threshold.items() if isinstance(one, str)}
    y, weight = targets_of_batches(validation)
    predictions = model.predict(validation, verbose=0)
    model.threshold = model.task.tuned(threshold, y, predictions, weight).threshold


def _tunable(task, threshold, y, weight):
    """The names of the targets and labels to tune that have both classes, and of those that have
    not."""
    several = isinstance(task, MultiTask)
    tunable, not_tunable = [], []
    for member in task.single_tasks():
        asked = threshold.get(member.name) if isinstance(threshold, dict) else threshold
        if member.threshold is None or not isinstance(asked, str):
            continue
        of_member = np.asarray(y[member.name] if several else y)
        counts = np.ones(len(of_member), bool)
        if weight is not None:
            counts = np.asarray(weight[member.name] if several else weight) > 0
        names = getattr(member, "labels", (member.name,))
        columns = of_member[counts].reshape(-1, len(names)).T
        for name, column in zip(names, columns, strict=True):
            (tunable if len(np.unique(column)) == 2 else not_tunable).append(str(name))
    return tunable, not_tunable


def _rows(y):
    return len(keras.tree.flatten(y)[0])
