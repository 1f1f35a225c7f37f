"""GroupedRows: rows sorted by group, in the form that a backend computes best with.

There are two layouts, since no one serves both kinds of graph:

* Slices of the rows, one for each group (`SlicedRows` on TensorFlow, `SortedRows` on PyTorch). No
  row is copied or computed twice, but the shapes depend on data: XLA and JAX cannot compile it.
* Padded rows (`padded_rows.PaddedRows`, for XLA and JAX). Every shape is static, at the price of
  rooms that stay empty and a loop for groups that exceed theirs; docs/performance.md has the times.

`group_calls` has the same two for functions that are no matmul.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from sparse_keras.ops.quantized import QuantizedMatrices


class GroupedRows:
    """Rows sorted by group, from `group_rows` to `join`.

    Between the two a bank computes all its layers, without joining the rows into one tensor. The
    values of rows in no group are undefined after `add` or `map`.

    Subclasses (slices, padded rows, one tensor) implement `width`, `_matmul`, `_matmul_quantized`,
    `_add`, `map`, `map_whole` and `join`.

    Args:
        num_groups: E.
    """

    def __init__(self, num_groups: int):
        self.num_groups = num_groups

    @property
    def width(self) -> int | None:
        """A, the width of a row."""
        raise NotImplementedError

    def matmul(self, w: Any) -> GroupedRows:
        """Multiplies each row by the matrix of its group, `w` `[E, A, B]`. Differentiable in both.

        Raises:
            ValueError: If `w` has another number of groups, or does not fit the width of the rows.
        """
        if w.shape[0] != self.num_groups:
            raise ValueError(
                "A grouped matmul needs one group size for each matrix. Received: group_sizes of "
                f"shape {(self.num_groups,)}, matrices of shape {tuple(w.shape)}."
            )
        if self.width not in (None, w.shape[1]):
            raise ValueError(
                "A grouped matmul needs rows as wide as the matrices are high. Received: rows of "
                f"width {self.width}, matrices of shape {tuple(w.shape)}."
            )
        return self._matmul(ops.convert_to_tensor(w))

    def _matmul(self, w: Any) -> GroupedRows:
        raise NotImplementedError

    def matmul_quantized(self, matrices: QuantizedMatrices) -> GroupedRows:
        """Multiplies each row by the quantized matrix of its group. Differentiable in the rows.

        Only groups with rows are turned into floats, where shapes may depend on data; and again in
        the backward pass, which so keeps no floats of the bank.

        Raises:
            ValueError: If there is another number of groups, or rows have another width.
        """
        if (matrices.num_groups, matrices.height) != (
            self.num_groups,
            self.width or matrices.height,
        ):
            raise ValueError(
                "A grouped matmul needs one matrix for each group, as high as the rows are wide. "
                f"Received: {self.num_groups} groups of rows of width {self.width}, "
                f"{matrices.num_groups} matrices of shape {(matrices.height, matrices.width)}."
            )
        return self._matmul_quantized(matrices)

    def _matmul_quantized(self, matrices: QuantizedMatrices) -> GroupedRows:
        raise NotImplementedError

    def add(self, vectors: Any) -> GroupedRows:
        """Adds the vector of its group to each row, `vectors` `[E, A]`. Differentiable in both.

        Raises:
            ValueError: If `vectors` has another shape.
        """
        if vectors.shape[0] != self.num_groups or self.width not in (None, vectors.shape[1]):
            raise ValueError(
                "Grouped rows need one vector of their width for each group. Received: "
                f"group_sizes of shape {(self.num_groups,)}, rows of width {self.width}, vectors "
                f"of shape {tuple(vectors.shape)}."
            )
        return self._add(ops.convert_to_tensor(vectors))

    def _add(self, vectors: Any) -> GroupedRows:
        raise NotImplementedError

    def map(self, function: Callable[..., Any], *others: GroupedRows) -> GroupedRows:
        """Applies a function that computes each row on its own: `function(rows, *others)`.

        The function gets rows `[m, A]`. It may be called several times, each with a part of the
        rows, and with rows of no group. Those hold zeros to which biases may have been added; the
        function and its derivative must be finite there.
        """
        raise NotImplementedError

    def map_whole(self, function: Callable[[Any], Any]) -> GroupedRows:
        """Does as `map`, with a single call: for functions with a random state."""
        raise NotImplementedError

    def join(self) -> Any:
        """Returns the rows as one tensor `[M, A]`."""
        raise NotImplementedError
