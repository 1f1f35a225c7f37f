"""SciPy's sparse matrices of any format and type as float32 CSR."""

import numpy as np
import scipy.sparse


def is_matrix(x):
    """Whether `x` is a sparse matrix or a sparse array of SciPy's."""
    return scipy.sparse.issparse(x)


def as_csr(matrix, width=None):
    """A matrix as float32 CSR: columns sorted in each row, entries of one place added up.

    Nothing is copied if the matrix has this form already.

    Args:
        matrix: A sparse matrix or array of SciPy's of rank 2, in any format.
        width: The number of columns it must have; None for any.

    Returns:
        A `scipy.sparse.csr_matrix`.

    Raises:
        ValueError: If it is not such a matrix, has another width, or holds NaN or infinity.
    """
    if not is_matrix(matrix) or matrix.ndim != 2:
        raise ValueError(
            "Expected a sparse matrix of scipy.sparse with rows and columns. Received: "
            f"{type(matrix).__name__}{_shape(matrix)}. An array is made one by "
            "scipy.sparse.csr_matrix(array)."
        )
    if width is not None and matrix.shape[1] != width:
        raise ValueError(
            f"Expected a matrix of {width:,} columns, as in training. Received: "
            f"{matrix.shape[1]:,} columns."
        )
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"Expected a matrix of numbers. Received: dtype {matrix.dtype}.")
    csr = scipy.sparse.csr_matrix(matrix)  # Shares the arrays of one that is CSR already.
    if not csr.has_canonical_format:
        if csr is matrix or np.shares_memory(csr.data, getattr(matrix, "data", csr.indptr)):
            csr = csr.copy()  # The matrix is the caller's.
        csr.sum_duplicates()
    with np.errstate(over="ignore"):
        csr = csr.astype("float32", copy=False)
    wrong = ~np.isfinite(csr.data)
    if wrong.any():
        first = int(wrong.argmax())
        row = int(np.searchsorted(csr.indptr, first, side="right")) - 1
        raise ValueError(
            "A sparse matrix must hold finite numbers of float32; a missing value has no form in "
            f"it. Received: {csr.data[first]} in row {row + 1}, column {csr.indices[first] + 1} "
            f"(counted from 1), and {int(wrong.sum()) - 1} more."
        )
    return csr


def _shape(x):
    shape = getattr(x, "shape", None)
    return "" if shape is None else f" of shape {tuple(shape)}"
