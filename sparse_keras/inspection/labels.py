"""Labels of examples or tokens, as codes 0, 1, ... in the order in which they first appear."""

import numpy as np

MOST = 50_000


class Vocabulary:
    """Gives codes to labels; a label that is `None` or NaN gets -1: it has none.

    Attributes:
        names: The labels in the order of their codes.
    """

    def __init__(self):
        self.names = []
        self._codes = {}

    def encode(self, labels):
        """The codes of an array of labels, int64 of the same shape.

        Raises:
            ValueError: If labels are numbers that are not whole, or there are too many different.
        """
        labels = plain(labels)
        distinct, places = _distinct(labels)
        codes = np.array([self._code(label) for label in distinct], "int64")
        return codes[places].reshape(labels.shape)

    def _code(self, label):
        if label is None or label != label:
            return -1
        if isinstance(label, float):
            if not label.is_integer():
                raise ValueError(
                    "Labels name classes: strings or whole numbers. Received: the number "
                    f"{label!r}. Numbers are cut into classes first, for instance by "
                    "pandas.qcut(values, 5).astype(str)."
                )
            label = int(label)
        if label not in self._codes:
            if len(self.names) == MOST:
                raise ValueError(f"Expected at most {MOST:,} different labels. Received more.")
            self._codes[label] = len(self.names)
            self.names.append(label)
        return self._codes[label]


def plain(labels):
    """Labels as an array of numbers, strings or objects; a last axis of 1 is dropped."""
    if hasattr(labels, "to_numpy"):
        labels = labels.to_numpy(dtype=object)
    elif hasattr(labels, "numpy"):
        labels = labels.numpy()
    labels = np.asarray(labels)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    return np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels


def _distinct(labels):
    """The different values, as Python's own, and for each label which of them it is."""
    flat = labels.reshape(-1)
    if flat.dtype.kind != "O":
        distinct, places = np.unique(flat, return_inverse=True)
        return distinct.tolist(), places
    found, places = {}, np.empty(len(flat), "int64")
    for n, label in enumerate(flat):
        label = label.item() if isinstance(label, np.generic) else label
        label = label.decode() if isinstance(label, bytes) else label
        label = None if label is None or label != label else label
        places[n] = found.setdefault(label, len(found))
    return list(found), places
