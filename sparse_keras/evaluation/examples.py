"""Examples of a data set, as models take them, whatever kind of data it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from sparse_keras.data import ArrayBatches

if TYPE_CHECKING:
    from sparse_keras.data import Dataset
    from sparse_keras.data.batches import Batches


def arrays_of(batches: Batches) -> tuple[Any, Any, Any]:
    """Returns all inputs, targets and weights of batches that are not shuffled.

    Weights are None if the batches have none.
    """
    if isinstance(batches, ArrayBatches):
        return batches.x, batches.y, batches.sample_weight
    parts = [keras.utils.unpack_x_y_sample_weight(batches[index]) for index in range(len(batches))]
    return tuple(
        None
        if values[0] is None
        else keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *values)
        for values in zip(*parts, strict=True)
    )


def num_examples(batches: Batches) -> int:
    """Returns the number of examples in an epoch of batches."""
    if isinstance(batches, ArrayBatches):
        return batches.num_examples
    return sum(keras.tree.flatten(batches[index][0])[0].shape[0] for index in range(len(batches)))


def raw_test_examples(data: Dataset) -> Any:
    """Returns the test examples before preprocessing; the encoded ones, if there is none."""
    return arrays_of(data.test)[0] if data.preprocessor is None else data.raw_test


def take(examples: Any, rows: slice) -> Any:
    """Returns some rows of examples: of a table, of an array, or of each array of a dict."""
    if isinstance(examples, dict):
        return {name: take(array, rows) for name, array in examples.items()}
    return getattr(examples, "iloc", examples)[rows]
