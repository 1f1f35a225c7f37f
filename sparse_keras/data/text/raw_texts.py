"""Texts as users pass them, and token ids of several texts as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def is_texts(x: Any) -> bool:
    """Whether `x` is a string, or a list, an array or a Series whose first element is one."""
    if isinstance(x, str):
        return True
    if isinstance(x, np.ndarray) or hasattr(x, "to_numpy"):
        return getattr(x, "ndim", 1) == 1 and np.asarray(x).dtype.kind in "OU"
    return isinstance(x, (list, tuple)) and (not x or isinstance(x[0], str))


def as_texts(x: Any) -> list[str]:
    """Returns a list of strings.

    Raises:
        ValueError: If one is no string, such as a missing value.
    """
    texts = [x] if isinstance(x, str) else np.asarray(x, "O").tolist()
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f"Texts must be strings. Received: {text!r}, {type(text).__name__}, at index "
                f"{number}. Leave it out, or replace it by an empty string."
            )
    return texts


def padded(rows: Sequence[Sequence[int]], length: int = 1) -> dict[str, np.ndarray]:
    """Returns token ids as arrays, padded on the right.

    Args:
        rows: The token ids of each text.
        length: T, if no text is longer.

    Returns:
        Dict with `"token_ids"`, int32 `[N, T]`, 0 for padding, and `"mask"`, bool `[N, T]`, False
        for padding.
    """
    lengths = np.array([len(row) for row in rows], "int64")
    size = max(int(lengths.max(initial=1)), length)
    token_ids = np.zeros((len(rows), size), "int32")
    for number, row in enumerate(rows):
        token_ids[number, : len(row)] = row
    return {"token_ids": token_ids, "mask": np.arange(size) < lengths[:, None]}
