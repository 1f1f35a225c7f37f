"""Labels of examples or tokens, encoded as 0, 1, ... in the order of first appearance."""

from typing import Any

import numpy as np

MAX_LABELS = 50_000


class Vocabulary:
    """Encodes labels as integers. `None` and NaN mean "no label" and become -1.

    Attributes:
        names: The labels in the order of their codes.
    """

    def __init__(self) -> None:
        self.names = []
        self._codes = {}

    def encode(self, labels: Any) -> np.ndarray:
        """Encodes an array of labels as int64 of the same shape. New labels get new codes.

        Raises:
            ValueError: If labels are numbers that are not whole, or there are more than
                `MAX_LABELS` different ones.
        """
        labels = plain(labels)
        distinct, indices = _distinct(labels)
        codes = np.array([self._code(label) for label in distinct], "int64")
        return codes[indices].reshape(labels.shape)

    def _code(self, label):
        if label is None or label != label:
            return -1
        if isinstance(label, float):
            if not label.is_integer():
                raise ValueError(
                    "Labels must be strings or whole numbers, which name classes. Received: the "
                    f"number {label!r}. Numbers must be cut into classes first, for instance with "
                    "pandas.qcut(values, 5).astype(str)."
                )
            label = int(label)
        if label not in self._codes:
            if len(self.names) == MAX_LABELS:
                raise ValueError(
                    f"Expected at most {MAX_LABELS:,} different labels. Received more."
                )
            self._codes[label] = len(self.names)
            self.names.append(label)
        return self._codes[label]


def plain(labels: Any) -> np.ndarray:
    """Converts labels to an array of numbers, strings or objects; a last axis of 1 is dropped."""
    if hasattr(labels, "to_numpy"):
        labels = labels.to_numpy(dtype=object)
    elif hasattr(labels, "numpy"):
        labels = labels.numpy()
    labels = np.asarray(labels)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    return np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels


def _distinct(labels):
    """The distinct labels as Python values, and the index of each label among them."""
    flat = labels.reshape(-1)
    if flat.dtype.kind != "O":
        distinct, indices = np.unique(flat, return_inverse=True)
        return distinct.tolist(), indices
    distinct, indices = {}, np.empty(len(flat), "int64")
    for n, label in enumerate(flat):
        label = label.item() if isinstance(label, np.generic) else label
        label = label.decode() if isinstance(label, bytes) else label
        label = None if label is None or label != label else label
        indices[n] = distinct.setdefault(label, len(distinct))
    return list(distinct), indices
