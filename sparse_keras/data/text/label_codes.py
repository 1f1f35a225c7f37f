"""Labels of texts to what a loss takes, and the task that they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.tasks import Binary, Multiclass, SingleTask


def task_of_classes(name: str, classes: Sequence[str]) -> SingleTask:
    """Returns the task of some classes: `Binary`, whose positive class is the last, for two."""
    kind = Binary if len(classes) == 2 else Multiclass
    return kind(name=name, classes=tuple(classes))


def encode_labels(labels: Any, task: SingleTask) -> np.ndarray:
    """Encodes labels.

    Args:
        labels: The class of each text, as a string; numbers stand for how they are written.
        task: A `Binary` or a `Multiclass` whose classes are strings.

    Returns:
        For two classes float32 `[N]`, 1 for the last; for more int32 `[N]`.

    Raises:
        ValueError: If a label is none of the classes.
    """
    codes = {label: code for code, label in enumerate(task.classes)}
    labels = [labels] if isinstance(labels, str) else np.asarray(labels, "O").reshape(-1).tolist()
    encoded = []
    for number, label in enumerate(labels):
        code = codes.get(str(label))
        if code is None:
            raise ValueError(
                f"The classes of {task.name!r} are {listing(task.classes)}. Received: {label!r} at "
                f"index {number}.{did_you_mean(label, task.classes)}"
            )
        encoded.append(code)
    return np.array(encoded, "float32" if isinstance(task, Binary) else "int32")
