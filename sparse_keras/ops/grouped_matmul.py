"""Grouped rows and their matmul, the one product that sparse experts need and Keras lacks."""

from typing import Any

import keras
from keras import ops

from sparse_keras.ops import backend
from sparse_keras.ops.grouped_rows import GroupedRows


def group_rows(rows: Any, group_sizes: Any) -> GroupedRows:
    """Groups rows, in the form that the backend computes best with.

    The layers of a bank then work on the groups, without joining the rows in between:

        hidden = group_rows(rows, group_sizes).matmul(up).add(bias).map(ops.relu)
        outputs = hidden.matmul(down).join()

    Args:
        rows: Float tensor `[M, A]`, sorted by group.
        group_sizes: Int tensor `[E]`, the rows of each group. Groups may be empty. The sum may be
            less than M.

    Returns:
        `GroupedRows`, with the methods `matmul(w)`, `add(vectors)`, `map(function, *others)`,
        `map_whole(function)` and `join()`.

    Raises:
        ValueError: If the ranks do not match.

    Example:

    >>> rows = sparse_keras.ops.group_rows(np.ones((3, 2), "float32"), np.array([1, 2]))
    >>> vectors = np.array([[0.0, 1.0], [2.0, 3.0]], "float32")
    >>> keras.ops.convert_to_numpy(rows.add(vectors).map(keras.ops.square).join())
    array([[ 1.,  4.],
           [ 9., 16.],
           [ 9., 16.]], dtype=float32)
    """
    rows, group_sizes = _tensor(rows), _tensor(group_sizes)
    if len(rows.shape) != 2 or len(group_sizes.shape) != 1:
        raise ValueError(
            "`group_rows` expects rows [M, A] and group_sizes [E]. Received shapes: rows "
            f"{tuple(rows.shape)}, group_sizes {tuple(group_sizes.shape)}."
        )
    backend.check_export(rows)
    return backend.group_rows(rows, ops.cast(group_sizes, "int32"))


def _tensor(value):
    return value if isinstance(value, keras.KerasTensor) else ops.convert_to_tensor(value)


@keras.saving.register_keras_serializable(package="sparse_keras")
class GroupedMatmul(keras.Operation):
    """`grouped_matmul` as an operation, so that it works on symbolic tensors too."""

    def call(self, x, w, group_sizes):
        dtype = _common_dtype(x, w)
        rows = group_rows(ops.cast(x, dtype), group_sizes)
        return rows.matmul(ops.cast(w, dtype)).join()

    def compute_output_spec(self, x, w, group_sizes):
        dtype = _common_dtype(x, w)
        return keras.KerasTensor((x.shape[0], w.shape[2]), dtype=dtype)


def _common_dtype(x, w):
    # Keras would make float32 of two float64 on JAX, even where that has them.
    one, other = (keras.backend.standardize_dtype(tensor.dtype) for tensor in (x, w))
    return one if one == other else keras.backend.result_type(one, other)


def grouped_matmul(x: Any, w: Any, group_sizes: Any) -> Any:
    """Multiplies each group of rows by the matrix of its group.

        y[i] = x[i] @ w[g]    for the group g that row i is in

    Each row is multiplied by one matrix: the cost is `2 * M * A * B` floating-point operations,
    whatever E is.

    Args:
        x: Float tensor `[M, A]`, its rows sorted by group.
        w: Float tensor `[E, A, B]`, one matrix for each group. E must be static.
        group_sizes: Int tensor `[E]`, the rows of each group. Groups may be empty. The sum may be
            less than M.

    Returns:
        Tensor `[M, B]`. Rows past the sum of `group_sizes` are zero. Differentiable in `x` and `w`
        in reverse mode, to any order.

    Raises:
        ValueError: If the ranks or widths do not match.

    Example:

    >>> x = np.ones((3, 2), "float32")
    >>> w = np.stack([np.eye(2), 10 * np.eye(2)]).astype("float32")
    >>> y = sparse_keras.ops.grouped_matmul(x, w, np.array([1, 1]))
    >>> keras.ops.convert_to_numpy(y)
    array([[ 1.,  1.],
           [10., 10.],
           [ 0.,  0.]], dtype=float32)
    """
    x, w, group_sizes = map(_tensor, (x, w, group_sizes))
    if len(x.shape) != 2 or len(w.shape) != 3 or len(group_sizes.shape) != 1:
        raise ValueError(
            "`grouped_matmul` expects x [M, A], w [E, A, B] and group_sizes [E]. Received shapes: "
            f"x {tuple(x.shape)}, w {tuple(w.shape)}, group_sizes {tuple(group_sizes.shape)}."
        )
    if x.shape[1] != w.shape[1] or w.shape[0] != group_sizes.shape[0]:
        raise ValueError(
            "`grouped_matmul` expects the width of x to be that of the matrices, and one group "
            f"size for each matrix. Received shapes: x {tuple(x.shape)}, w {tuple(w.shape)}, "
            f"group_sizes {tuple(group_sizes.shape)}."
        )
    operation = GroupedMatmul()
    if any(isinstance(tensor, keras.KerasTensor) for tensor in (x, w, group_sizes)):
        return operation(x, w, group_sizes)
    return operation.call(x, w, group_sizes)
