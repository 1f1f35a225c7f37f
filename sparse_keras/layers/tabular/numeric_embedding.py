"""The base class of embeddings of numeric columns: which features belong to which column.

Axis letters: F features, C columns, T features of the widest column, d width of an embedding.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.validation import group_numbers, one_of, positive_int

KINDS = ("value", "bin", "missing")


class NumericEmbedding(keras.layers.Layer):
    """Base class of layers that give each numeric column an embedding.

    Args:
        dim: d, width of one column's embedding.
        groups: Optional list of F integers, the column of each feature, numbered from 0 without
            gaps. `None` for one feature per column.
        kinds: Optional list of F strings, what each feature is: `"value"`, the column's
            standardised value; `"bin"`, one of the numbers of its piecewise-linear encoding; or
            `"missing"`, 1 where the value is missing. `None` for values only.
        activation: Activation function of the embeddings.
        kernel_initializer: Initializer of one column's matrix, drawn separately for each column.

    Output shape:
        `[..., C * d]`, column after column.
    """

    def __init__(
        self,
        dim: int,
        groups: Sequence[int] | None = None,
        kinds: Sequence[str] | None = None,
        activation: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dim = positive_int("dim", dim)
        self.groups = group_numbers("groups", groups)
        if kinds is not None and not isinstance(kinds, Iterable):
            raise ValueError(f"`kinds` must be None or a sequence. Received: kinds={kinds!r}.")
        self.kinds = None if kinds is None else [one_of("kinds", kind, KINDS) for kind in kinds]
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def columns(self, width: int) -> list[dict[str, list[int]]]:
        """Returns the features of each column, for an input of `width` features.

        Returns:
            A list with one dict per column, from each kind to the indices of its features.

        Raises:
            ValueError: If `groups` or `kinds` have another length.
        """
        groups = range(width) if self.groups is None else self.groups
        kinds = ["value"] * width if self.kinds is None else self.kinds
        for name, entries in (("groups", groups), ("kinds", kinds)):
            if len(entries) != width:
                raise ValueError(
                    f"`{name}` must have an entry for each of the {width} features. Received: "
                    f"{len(entries)} entries."
                )
        columns = [{kind: [] for kind in KINDS} for _ in range(max(groups) + 1)]
        for feature, (group, kind) in enumerate(zip(groups, kinds, strict=True)):
            columns[group][kind].append(feature)
        return columns

    def num_columns(self, width: int) -> int:
        """Returns C, the number of columns, for an input of `width` features."""
        return width if self.groups is None else max(self.groups) + 1

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.num_columns(input_shape[-1]) * self.dim)

    def _embed(self, outputs: Tensor) -> Tensor:
        """Applies the activation, and flattens `[..., C, d]` to `[..., C * d]`."""
        outputs = self.activation(outputs)
        return ops.reshape(outputs, (*ops.shape(outputs)[:-2], outputs.shape[-2] * self.dim))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dim": self.dim,
            "groups": self.groups,
            "kinds": self.kinds,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class PaddedIndices:
    """Lists of indices of different lengths, padded to one array `[C, T]`.

    With it, the features of all columns are gathered side by side, so that one batched matmul
    serves all columns.

    Args:
        lists: For each column, its indices.
    """

    def __init__(self, lists: Sequence[Sequence[int]]) -> None:
        self.shape = (len(lists), max(map(len, lists)))
        self._indices = np.zeros(self.shape, "int32")
        self._is_valid = np.zeros(self.shape, bool)
        for row, indices in enumerate(lists):
            self._indices[row, : len(indices)] = indices
            self._is_valid[row, : len(indices)] = True

    def features(self, inputs: Tensor) -> Tensor:
        """Gathers features: `[..., F]` -> `[..., C, T]`. Padding is feature 0, with weight 0."""
        gathered = ops.take(inputs, self._indices.reshape(-1), axis=-1)
        return ops.reshape(gathered, (*ops.shape(inputs)[:-1], *self.shape))

    def weights(self, kernel: Tensor) -> Tensor:
        """Gathers rows of a kernel: `[R, d]` -> `[C, T, d]`, with zeros as padding."""
        # With a row of zeros at the end, the gradient is dense, not that of a lookup of few rows.
        kernel = ops.concatenate([kernel, ops.zeros_like(kernel[:1])], axis=0)
        rows = np.where(self._is_valid, self._indices, kernel.shape[0] - 1)
        gathered = ops.take(kernel, rows.reshape(-1), axis=0)
        return ops.reshape(gathered, (*self.shape, kernel.shape[-1]))
