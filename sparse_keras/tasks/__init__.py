"""Tasks: what is asked of a model. One task a file."""

from __future__ import annotations

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.tasks.base import Task
from sparse_keras.tasks.binary import Binary
from sparse_keras.tasks.bits_per_byte import BitsPerByte
from sparse_keras.tasks.metric_info import MetricInfo
from sparse_keras.tasks.multi_task import MultiTask
from sparse_keras.tasks.multiclass import Multiclass
from sparse_keras.tasks.multilabel import Multilabel
from sparse_keras.tasks.next_token import NextToken
from sparse_keras.tasks.perplexity import Perplexity
from sparse_keras.tasks.regression import Regression
from sparse_keras.tasks.single_task import SingleTask

# The kinds of a single task, by the names that configs use.
TASKS = {task.kind: task for task in (Binary, Multiclass, Multilabel, Regression)}


def get(identifier: SingleTask | str, name: str = "target") -> SingleTask:
    """Returns a single task.

    Args:
        identifier: A `SingleTask`, or a kind that needs no further arguments: `"binary"` or
            `"regression"`.
        name: The name of a task that is made from its kind.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(identifier, SingleTask):
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
            f"`task` must be a sparse_keras.tasks.SingleTask, or one of {listing(known)}. "
            f"Received: task={identifier!r}.{did_you_mean(identifier, TASKS)}"
        )
    return TASKS[identifier](name)


__all__ = [
    "TASKS",
    "Binary",
    "BitsPerByte",
    "MetricInfo",
    "MultiTask",
    "Multiclass",
    "Multilabel",
    "NextToken",
    "Perplexity",
    "Regression",
    "SingleTask",
    "Task",
    "get",
]
