"""Forward: a network that runs on arrays in memory.

`keras.Model.predict` builds an input pipeline for each call, which takes longer than to predict a
few rows, and compiles again for other sizes of batches on some backends. `Forward` calls the
compiled network directly, which takes batches of any size on TensorFlow; on JAX, batches are padded
to powers of two.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from sparse_keras.layers.mixtures.gated_layer import gated_layers
from sparse_keras.layers.validation import positive_int

if keras.backend.backend() == "tensorflow":
    from sparse_keras.models.forward.tensorflow_backend import compiled, is_distributed
elif keras.backend.backend() == "jax":
    from sparse_keras.models.forward.jax_backend import compiled, is_distributed
elif keras.backend.backend() == "torch":
    from sparse_keras.models.forward.torch_backend import compiled, is_distributed

# Rows in a batch if no row depends on the rows beside it; otherwise that of Keras.
_BATCH_SIZE, _KERAS_BATCH_SIZE = 8192, 32
# The same for sequences: all their tokens, which attend to each other.
_TOKENS = 16_384


class Forward:
    """Computes the outputs of a model for arrays.

    Args:
        model: A `keras.Model`, which is called.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._compiled_for = self._compiled_inputs = None
        self._function = self._default_batch_size = None

    def applies_to(self, x: Any) -> bool:
        """Returns whether `x` holds arrays of numbers, and the model runs on one device."""
        return not is_distributed(self.model) and all(
            type(array) is np.ndarray and array.dtype.kind in "biuf"
            for array in keras.tree.flatten(x)
        )

    def __call__(self, x: Any, batch_size: int | None = None, verbose: Any = "auto") -> Any:
        """Computes the outputs.

        Args:
            x: Arrays `[N, ...]` in the structure of the model's inputs, N at least 1.
            batch_size: Rows in a batch. `None`: 8192, or fewer if rows are sequences; or 32, as
                in Keras, if a router of the model looks at other rows of the batch.
            verbose: Whether to show a progress bar, as in `keras.Model.predict`.

        Returns:
            Arrays `[N, ...]` in the structure of the outputs.
        """
        self._compile(x)
        size = self._size_for(x) if batch_size is None else batch_size
        size = positive_int("batch_size", size)
        rows = keras.tree.flatten(x)[0].shape[0]
        bar = None
        if verbose:
            steps = math.ceil(rows / size)
            bar = keras.utils.Progbar(steps, verbose=1 if verbose == "auto" else int(verbose))
        parts = []
        for start in range(0, rows, size):
            parts.append(self._function(_rows(x, slice(start, start + size))))
            if bar is not None:
                bar.add(1)
        if len(parts) == 1:
            return parts[0]
        return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)

    @property
    def default_batch_size(self) -> int:
        """Rows in a batch: 8192, or 32 if a router looks at other rows of the batch."""
        if self._default_batch_size is None:
            alone = all(layer.predicts_alone for layer in gated_layers(self.model))
            self._default_batch_size = _BATCH_SIZE if alone else _KERAS_BATCH_SIZE
        return self._default_batch_size

    def _size_for(self, x):
        """Rows in a batch of these arrays, by default."""
        tensors = keras.tree.flatten(self._compiled_inputs)
        tokens = 1
        for tensor, array in zip(tensors, keras.tree.flatten(x), strict=True):
            sizes = zip(tensor.shape[1:], array.shape[1:], strict=True)
            tokens = max(tokens, math.prod(size for open_, size in sizes if open_ is None))
        return max(1, min(self.default_batch_size, _TOKENS // tokens))

    def _compile(self, x):
        """Compiles the model, again if it has other variables by now, such as those of LoRA, or if
        the arrays are of types, or of shapes, that it was not compiled for."""
        inputs = self._inputs_like(x)
        now = [id(variable) for variable in self.model.variables]
        now += [(tensor.shape, tensor.dtype) for tensor in keras.tree.flatten(inputs)]
        if now != self._compiled_for:
            self._default_batch_size = None
            pad = self.default_batch_size == _BATCH_SIZE
            self._function = compiled(self.model, inputs, pad=pad)
            self._compiled_for, self._compiled_inputs = now, inputs

    def _inputs_like(self, x):
        """Symbolic tensors for these arrays and others: with open axes where the model has some,
        as for the tokens of a text."""
        declared = getattr(getattr(self.model, "core", self.model), "inputs", None) or ()
        arrays = keras.tree.flatten(x)
        shapes = [tensor.shape for tensor in declared]
        if [len(shape) for shape in shapes] != [array.ndim for array in arrays]:
            shapes = [array.shape for array in arrays]
        tensors = [
            keras.KerasTensor((None, *_open(array.shape, shape)[1:]), array.dtype.name)
            for array, shape in zip(arrays, shapes, strict=True)
        ]
        return keras.tree.pack_sequence_as(x, tensors)


def _open(sizes, declared):
    return [None if other is None else size for size, other in zip(sizes, declared, strict=True)]


def _rows(x, rows):
    return keras.tree.map_structure(lambda array: array[rows], x)
