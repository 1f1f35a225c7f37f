"""Batches of examples from arrays, tables and data sets."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from sparse_keras.data.batches import ArrayBatches
from sparse_keras.data.csr import is_matrix
from sparse_keras.ops.csr import to_tensor


def batches_of(model: keras.Model, x: Any, batch_size: int) -> Iterator[tuple[Any, Any]]:
    """Yields `(inputs, targets)`, where targets is `None` unless `x` is a data set with targets.

    Args:
        model: The model that takes the inputs.
        x: Arrays, tables, raw examples if the model has a preprocessor, or a data set of batches.
        batch_size: Examples per batch, if `x` does not come in batches.
    """
    for inputs, targets in _batches(model, x, batch_size):
        yield _tokenized(model, inputs), targets


def refuse_targets(name: str, model: keras.Model, x: Any) -> None:
    """Raises a `ValueError` if an argument is not inputs, but a tuple of inputs and targets."""
    count = len(getattr(model, "inputs", None) or [None])
    if isinstance(x, tuple) and len(x) != count and not _has_text(x[:1]):
        raise ValueError(
            f"`{name}` must be inputs, without targets: {name}=x instead of {name}=(x, y). "
            f"Received a tuple of {len(x)} for a model with {count} "
            f"{'input' if count == 1 else 'inputs'}."
        )


def _batches(model, x, batch_size):
    preprocessor = getattr(model, "preprocessor", None)
    if hasattr(preprocessor, "is_raw") and not _is_dataset(x) and preprocessor.is_raw(x):
        x = preprocessor.encode(x)
    if isinstance(x, ArrayBatches):
        yield from _rows(x.x, x.y, batch_size)  # In row order, even if the batches are shuffled.
    elif isinstance(x, keras.utils.PyDataset):
        for index in range(len(x)):
            yield _inputs_and_targets(x[index])
    elif _is_dataset(x):
        for batch in x:
            yield _inputs_and_targets(batch)
    else:
        x = x.to_numpy() if hasattr(x, "to_numpy") else x  # A DataFrame.
        yield from _rows(x, None, batch_size)


def _tokenized(model, inputs):
    """Texts as the token ids that a task of KerasHub makes of them in `predict`."""
    if not hasattr(model, "preprocess_samples") or not _has_text(inputs):
        return inputs
    samples = model.preprocess_samples(
        keras.tree.map_structure(lambda x: x.tolist() if hasattr(x, "tolist") else x, inputs)
    )
    return _inputs_and_targets(samples if isinstance(samples, tuple) else (samples,))[0]


def _has_text(inputs):
    return any(
        isinstance(leaf, (str, bytes))
        or getattr(getattr(leaf, "dtype", None), "kind", None) in ("O", "S", "U")
        or getattr(leaf, "dtype", None) == "string"  # Of TensorFlow.
        for leaf in keras.tree.flatten(inputs)
    )


def num_rows(inputs: Any) -> int:
    """Number of examples in a batch."""
    return keras.tree.flatten(inputs)[0].shape[0]


def _is_dataset(x):
    if isinstance(x, (ArrayBatches, keras.utils.PyDataset)):
        return True
    array = hasattr(x, "shape") or hasattr(x, "iloc") or is_matrix(x)
    return hasattr(x, "__iter__") and not array and not isinstance(x, (dict, list, tuple))


def _inputs_and_targets(batch):
    if not isinstance(batch, tuple):
        batch = (batch,)
    inputs, targets, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return keras.tree.map_structure(_native, inputs), targets


def _native(tensor):
    """Converts a tensor of another framework to an array, which every backend accepts."""
    if keras.ops.is_tensor(tensor) or not hasattr(tensor, "numpy"):
        return tensor
    return tensor.numpy()


def _rows(x, y, batch_size):
    if isinstance(x, (list, tuple)) and not (x and hasattr(x[0], "shape")):
        x = np.asarray(x)
    rows = {array.shape[0] for array in _flat(x)}
    if len(rows) != 1:
        raise ValueError(
            f"All inputs must have the same number of rows. Received: {sorted(rows)} rows."
        )
    for start in range(0, rows.pop(), batch_size):
        batch = slice(start, start + batch_size)
        yield _take(x, batch), None if y is None else _take(y, batch)


def _flat(x):
    # `keras.tree` does not know matrices of SciPy, which are leaves.
    if isinstance(x, dict):
        return [leaf for value in x.values() for leaf in _flat(value)]
    if isinstance(x, (list, tuple)):
        return [leaf for value in x for leaf in _flat(value)]
    return [x]


def _take(x, rows):
    if isinstance(x, dict):
        return {name: _take(value, rows) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(_take(value, rows) for value in x)
    return to_tensor(x[rows]) if is_matrix(x) else x[rows]
