"""Batches of examples, for `fit`, `evaluate` and `predict`: what training needs of them, and
`ArrayBatches` for arrays in memory."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np

from sparse_keras.data.csr import is_matrix
from sparse_keras.data.dataset import digest_of
from sparse_keras.ops.csr import to_tensor


class Batches(Protocol):
    """What training needs of batches: a `keras.utils.PyDataset` with a length and an `epoch`.

    Batches may have `num_examples`, and `arrays()`, which returns all inputs, targets and weights
    (or `None`), in the order of the batches unless these are shuffled.

    A training can be resumed after any batch of any epoch. It then asks for the batches that are
    left, so that batch `[index]` must depend on `index` and `epoch` alone: not on batches that were
    asked for before, nor on a global generator of random numbers. `check_batches` refuses batches
    without what is needed.

    Attributes:
        epoch: Number of finished epochs, by which batches are shuffled. The training loop sets it
            when an epoch begins.
    """

    epoch: int

    def __len__(self) -> int:
        """The number of batches, the same in every epoch."""

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Batch `index` of the epoch: `(x, y)` or `(x, y, sample_weight)`."""

    def on_epoch_begin(self) -> None:
        """Keras calls this before the first batch of an epoch, also of a resumed one."""

    def on_epoch_end(self) -> None:
        """Keras calls this after the last batch of an epoch."""


def check_batches(batches: object) -> None:
    """Checks that a training can go through batches epoch by epoch, and resume.

    Raises:
        ValueError: If it cannot. The error names the class of the batches, and what it lacks.
    """
    if not isinstance(batches, keras.utils.PyDataset):
        missing = "It is no keras.utils.PyDataset."
    elif not hasattr(batches, "epoch"):
        missing = (
            "It has no attribute `epoch`, by which batches are shuffled anew in each epoch and as "
            "before in a resumed one. Set `self.epoch = 0` in its constructor."
        )
    elif batches.num_batches is None:
        missing = "Its `num_batches` is None. Give it a length."
    else:
        return
    raise ValueError(
        "Expected batches for training that are a keras.utils.PyDataset with a length and an "
        f"attribute `epoch`. Received: {type(batches).__name__}. {missing}"
    )


def digest_of_batches(batches: Batches | None) -> str | None:
    """Returns the SHA-256 of the examples in batches that are not shuffled; `None` for `None`."""
    if batches is None:
        return None
    if hasattr(batches, "arrays"):
        arrays = batches.arrays()
    else:
        arrays = [batches[index] for index in range(len(batches))]
    return digest_of(map(_digestible, keras.tree.flatten(arrays)))


def targets_of_batches(batches: Batches) -> tuple[Any, Any]:
    """Returns all targets and weights of batches, in their order if these are not shuffled.

    Weights are `None` if the batches have none.
    """
    if hasattr(batches, "arrays"):
        return batches.arrays()[1:]
    parts = [keras.utils.unpack_x_y_sample_weight(batches[n])[1:] for n in range(len(batches))]
    y, weight = zip(*parts, strict=True)
    return _joined(y), None if weight[0] is None else _joined(weight)


def _joined(parts):
    return keras.tree.map_structure(
        lambda *arrays: np.concatenate([np.asarray(array) for array in arrays]), *parts
    )


def _digestible(array):
    if array is None or is_matrix(array):
        return array
    if keras.ops.is_tensor(array):
        array = keras.ops.convert_to_numpy(array)
    array = np.asarray(array)
    return array if array.dtype.kind in "biufc" else np.asarray(array.tolist(), "U").view("uint32")


class EpochBatches(keras.utils.PyDataset):
    """Base class of batches that count their epochs, by which they shuffle.

    Attributes:
        epoch: Number of epochs served so far. May be set, to resume.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epoch = 0
        self._serving = False

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"Expected a batch from 0 to {len(self) - 1}. Received: {index}.")

    def on_epoch_begin(self) -> None:
        self._serving = True

    def on_epoch_end(self) -> None:
        # `fit` also calls this once before its first epoch, which must not count as one.
        if self._serving:
            self.epoch += 1
            self._serving = False


class ArrayBatches(EpochBatches):
    """Serves encoded arrays in batches; the last batch may be smaller.

    With `shuffle`, the examples of each batch are a pure function of `(seed, epoch)`. `fit` itself
    shuffles the order in which it asks for batches: pass `fit(..., shuffle=False)` to fix that too.

    Args:
        inputs: An array with the examples along the first axis, a CSR matrix, whose batches are
            sparse tensors, or a dict of these. Of a dict with one entry, batches hold the bare
            array.
        targets: Array of encoded targets, one for each example; for several targets a dict of
            arrays; `None` to predict.
        weights: The weight of each example, an array; for several targets a dict with an array for
            each. `None` for batches without weights.
        batch_size: Examples in a batch.
        shuffle: Whether to draw a new order each epoch.
        seed: Non-negative integer, the shuffling's seed.

    Attributes:
        x: All inputs in order, as a model takes them: `model.predict(batches.x)`.
        y: The targets in order.
        sample_weight: The weights in order, or `None`.
        num_examples: Number of examples.
        epoch: Number of epochs served so far. May be set, to resume.
    """

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        weights: Any = None,
        *,
        batch_size: int = 256,
        shuffle: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        inputs = inputs if isinstance(inputs, dict) else {"inputs": inputs}
        lengths = {name: array.shape[0] for name, array in inputs.items()}
        for what, arrays in (("targets", targets), ("weights", weights)):
            named = arrays if isinstance(arrays, dict) else {"": arrays}
            lengths |= {
                f"{what} {name}".strip(): len(array)
                for name, array in named.items()
                if array is not None
            }
        if len(set(lengths.values())) != 1 or not all(lengths.values()):
            raise ValueError(
                "Inputs, targets and weights must have the same number of examples, at least 1. "
                f"Received: {lengths}."
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1. Received: {batch_size}.")
        self.x = next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)
        self.y = targets
        self.sample_weight = weights
        self.num_examples = next(iter(lengths.values()))
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self._order = (None, None)

    def __len__(self) -> int:
        return -(-self.num_examples // self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        self._check_index(index)
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        if self.shuffle:
            rows = self._rows_of_epoch()[rows]
        if self.y is None:
            return (_rows_of(self.x, rows),)
        batch = _rows_of(self.x, rows), _rows_of(self.y, rows)
        if self.sample_weight is None:
            return batch
        return *batch, _rows_of(self.sample_weight, rows)

    def arrays(self) -> tuple[Any, Any, Any]:
        """Returns all inputs, targets and weights, in order; see `x`, `y` and `sample_weight`."""
        return self.x, self.y, self.sample_weight

    def _rows_of_epoch(self):
        epoch, order = self._order
        if epoch != self.epoch:
            epoch = self.epoch
            order = np.random.default_rng([self.seed, epoch]).permutation(self.num_examples)
            self._order = (epoch, order)
        return order


class PartialPasses(EpochBatches):
    """The same batches in epochs of another length, each of which goes on where the last ended.

    Args:
        batches: Batches as training needs them.
        steps_per_epoch: Number of batches of an epoch.
    """

    def __init__(self, batches: Any, steps_per_epoch: int) -> None:
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self.batches, self.steps_per_epoch = batches, steps_per_epoch

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __getitem__(self, index: int) -> tuple:
        self._check_index(index)
        steps = self.epoch * self.steps_per_epoch + index
        self.batches.epoch, index = divmod(steps, len(self.batches))
        return self.batches[index]


def epochs_of(batches: Batches, steps_per_epoch: int | None) -> Batches:
    """Returns batches in epochs of a number of steps; `None`: as they are, a pass each."""
    return batches if steps_per_epoch is None else PartialPasses(batches, steps_per_epoch)


def _rows_of(arrays, rows):
    if isinstance(arrays, dict):
        return {name: _rows_of(array, rows) for name, array in arrays.items()}
    return to_tensor(arrays[rows]) if is_matrix(arrays) else arrays[rows]


def arrays_of(batches: Batches) -> tuple[Any, Any, Any]:
    """Returns all inputs, targets and weights of batches that are not shuffled.

    Weights are None if the batches have none.
    """
    if hasattr(batches, "arrays"):
        return batches.arrays()
    parts = [keras.utils.unpack_x_y_sample_weight(batches[index]) for index in range(len(batches))]
    return tuple(
        None
        if values[0] is None
        else keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *values)
        for values in zip(*parts, strict=True)
    )


def num_examples(batches: Batches) -> int:
    """Returns the number of examples in an epoch of batches."""
    if hasattr(batches, "num_examples"):
        return batches.num_examples
    return sum(keras.tree.flatten(batches[index][0])[0].shape[0] for index in range(len(batches)))
