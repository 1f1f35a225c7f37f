"""`training.class_weight`: from the classes of a config to a weight for each class of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import compute_class_weight

from sparse_keras._internal.suggest import did_you_mean, listing, position_of
from sparse_keras.data.batches import targets_of_batches
from sparse_keras.tasks import Binary, Multiclass, MultiTask

if TYPE_CHECKING:
    from sparse_keras.data import Batches
    from sparse_keras.tasks import SingleTask, Task

_BALANCED = "balanced"


def class_weights(
    given: Any, task: Task, batches: Batches
) -> list[float] | dict[str, list[float]] | None:
    """Returns the weight of each class.

    Args:
        given: The validated `training.class_weight`.
        task: The task of the data.
        batches: The training batches, by whose weighted examples "balanced" counts: as
            `sklearn.utils.compute_class_weight` does.

    Returns:
        A list in the order of the task's classes; for several targets a dict of such lists, by
        name; `None` if nothing is given.

    Raises:
        ValueError: If a class is unknown or missing, or a target has no classes.
    """
    if given is None:
        return None
    if not isinstance(task, MultiTask):
        if isinstance(given, dict) and not all(map(_is_number, given.values())):
            raise ValueError(
                "training.class_weight names weights for each of several targets. Received one "
                f"target, {task.name!r}. Expected {_expected(task)}."
            )
        return _of_task(given, task, lambda: targets_of_batches(batches))
    if given == _BALANCED:
        given = {one.name: given for one in task.tasks if isinstance(one, (Binary, Multiclass))}
    if not given or any(map(_is_number, given.values())):
        raise ValueError(
            "training.class_weight: for several targets, expected balanced, or a mapping from "
            f"target to balanced or to the weight of each class, of {listing(task.names)}. "
            f"Received: {given or _BALANCED}."
        )
    task.check_names("training.class_weight", given)

    def targets_of(name):
        y, weight = targets_of_batches(batches)
        return y[name], None if weight is None else weight[name]

    return {
        one.name: _of_task(given[one.name], one, lambda name=one.name: targets_of(name))
        for one in task.tasks
        if one.name in given
    }


def _of_task(given, task: SingleTask, targets):
    if not isinstance(task, (Binary, Multiclass)):
        raise ValueError(
            f"training.class_weight: the target {task.name!r} is {task.kind}, without classes to "
            "weigh. Leave it out."
        )
    if given == _BALANCED:
        return _balanced(task, *targets())
    weights = {}
    for key, weight in given.items():
        number = position_of(_text(key), map(_text, task.classes))
        if number is None:
            raise ValueError(
                f"training.class_weight: {key!r} is no class of {task.name!r}: "
                f"{listing(task.classes)}.{did_you_mean(key, list(map(str, task.classes)))}"
            )
        if number in weights:
            raise ValueError(
                f"training.class_weight has two weights of the class {task.classes[number]!r} of "
                f"{task.name!r}."
            )
        weights[number] = float(weight)
    missing = [one for number, one in enumerate(task.classes) if number not in weights]
    if missing:
        raise ValueError(
            f"training.class_weight lacks {listing(missing)} of {task.name!r}. Expected "
            f"{_expected(task)}."
        )
    return [weights[number] for number in range(len(task.classes))]


def _balanced(task, y, weight):
    number = np.asarray(y).reshape(-1).astype(int)
    if weight is not None:  # An example of weight 0 may have no label.
        counts = np.asarray(weight).reshape(-1) > 0
        number, weight = number[counts], np.asarray(weight, "float64").reshape(-1)[counts]
    present = np.unique(number)
    weights = np.ones(len(task.classes))  # A class without examples has nothing to weigh.
    weights[present] = compute_class_weight(
        _BALANCED, classes=present, y=number, sample_weight=weight
    )
    return weights.tolist()


def _text(value):
    """A class as text: 1.0 and "1" are one class, as they are in a column."""
    text = str(value).strip()
    try:
        if "." in text and float(text).is_integer():
            return str(int(float(text)))
    except (ValueError, OverflowError):
        pass
    return text.lower() if text.lower() in ("true", "false") else text


def _is_number(value):
    return isinstance(value, (int, float))


def _expected(task):
    classes = getattr(task, "classes", ("no", "yes"))
    return f"balanced, or a weight for each class: {{{', '.join(f'{one}: 1' for one in classes)}}}"
