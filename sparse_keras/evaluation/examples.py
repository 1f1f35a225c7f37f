"""Examples of a data set, as models take them, whatever kind of data it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparse_keras.data.batches import arrays_of

if TYPE_CHECKING:
    from sparse_keras.data import Dataset


def raw_test_examples(data: Dataset) -> Any:
    """Returns the test examples before preprocessing; the encoded ones, if there is none."""
    return arrays_of(data.test)[0] if data.preprocessor is None else data.raw_test


def take(examples: Any, rows: slice) -> Any:
    """Returns some rows of examples: of a table, of an array, or of each array of a dict."""
    if isinstance(examples, dict):
        return {name: take(array, rows) for name, array in examples.items()}
    return getattr(examples, "iloc", examples)[rows]
