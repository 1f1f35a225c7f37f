"""Rows that are sorted by group: the group of each row, and the value of that group."""

from typing import Any

import keras
from keras import ops

from sparse_keras.ops.primitives import exporting, linear_map


def are_few(num_rows: Any, num_groups: int) -> bool:
    """Whether there are fewer rows than groups, as far as is known when a graph is made."""
    return isinstance(num_rows, int) and num_rows < num_groups


def group_of_row(group_sizes: Any, num_rows: Any) -> Any:
    """The group of each row, int32 `[M]`; rows past the last group get E."""
    ends = ops.cumsum(ops.cast(group_sizes, "int32"))
    rows = ops.arange(num_rows, dtype="int32")
    if exporting():  # ONNX and LiteRT have no `searchsorted`.
        return ops.sum(ops.cast(ops.expand_dims(rows, 1) >= ends, "int32"), axis=1)
    return ops.cast(ops.searchsorted(ends, rows, side="right"), "int32")


def sum_dtype(dtype: Any) -> str:
    """The dtype of long sums: at least float32. In bfloat16, 256 + 1 is 256."""
    dtype = keras.backend.standardize_dtype(dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def expand_groups(values: Any, group_sizes: Any, num_rows: Any) -> Any:
    """Gives each row the value of its group: `values[group_of_row]`, zero past the last group.

    The gradient is one sum over each group, dense as `values` is. (The gradient of a plain gather
    would reach the optimizer as `IndexedSlices` on TensorFlow.)

    Args:
        values: Float `[E, B]`, one row for each group.
        group_sizes: Int `[E]`. Their sum is at most `num_rows`.
        num_rows: M, the number of rows.

    Returns:
        Tensor `[M, B]` with the dtype of `values`.

    Example:

    >>> values = np.array([[1.0], [2.0]], "float32")
    >>> expanded = sparse_keras.ops.expand_groups(values, np.array([1, 2]), 4)
    >>> keras.ops.convert_to_numpy(expanded)[:, 0]
    array([1., 2., 2., 0.], dtype=float32)
    """
    num_groups = group_sizes.shape[0]
    values = ops.convert_to_tensor(values)
    group = group_of_row(ops.convert_to_tensor(group_sizes), num_rows)

    def forward(values, group):
        rows = ops.take(values, ops.minimum(group, num_groups - 1), axis=0)
        return ops.where((group < num_groups)[:, None], rows, ops.zeros_like(rows))

    def transpose(rows, group):
        # Rows in no group fall into a segment of their own, which is left out.
        rows_to_sum = ops.cast(rows, sum_dtype(rows.dtype))
        sums = ops.segment_sum(rows_to_sum, group, num_segments=num_groups + 1)
        return ops.cast(sums[:num_groups], rows.dtype)

    return linear_map(forward, transpose, values, group)
