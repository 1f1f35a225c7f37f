"""Tasks: what is asked of a model. One task a file."""

from __future__ import annotations

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.tasks.base import Task
from sparse_keras.tasks.binary import Binary
from sparse_keras.tasks.multi_task import MultiTask
from sparse_keras.tasks.multiclass import Multiclass
from sparse_keras.tasks.multilabel import Multilabel
from sparse_keras.tasks.regression import Regression

# The kinds of a single task, by the names that configs use.
TASKS = {task.kind: task for task in (Binary, Multiclass, Multilabel, Regression)}


def get(identifier: Task | str, name: str = "target") -> Task:
    """Returns a task.

    Args:
        identifier: A `Task`, or a kind that needs no further arguments: `"binary"` or
            `"regression"`.
        name: The name of a task that is made from its kind.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(identifier, Task):
        return identifier
    known = ("binary", "regression")
    if identifier in TASKS and identifier not in known:
        kind = TASKS[identifier].__name__
        raise ValueError(
            f"A task of the kind {identifier!r} needs its classes. Pass "
            f"sparse_keras.tasks.{kind}(...)."
        )
    if identifier not in known:
        raise ValueError(
            f"`task` must be a sparse_keras.tasks.Task, or one of {listing(known)}. Received: "
            f"task={identifier!r}.{did_you_mean(identifier, TASKS)}"
        )
    return TASKS[identifier](name)


__all__ = [
    "TASKS",
    "Binary",
    "MultiTask",
    "Multiclass",
    "Multilabel",
    "Regression",
    "Task",
    "get",
]
