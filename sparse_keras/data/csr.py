"""SciPy's sparse matrices of any format and type as float32 CSR."""

import numpy as np
import scipy.sparse

from sparse_keras._internal.memory import check_memory


def is_matrix(x):
    """Whether `x` is a sparse matrix or a sparse array of SciPy's."""
    return scipy.sparse.issparse(x)


def as_csr(matrix, width=None):
    """A matrix as float32 CSR: columns sorted in each row, entries of one place added up.

    Nothing is copied if the matrix has this form already. That its arrays fit each other is checked
    first, since SciPy's compiled functions read and write beyond arrays that do not.

    Args:
        matrix: A sparse matrix or array of SciPy's of rank 2, in any format.
        width: The number of columns it must have; None for any.

    Returns:
        A `scipy.sparse.csr_matrix`.

    Raises:
        ValueError: If it is not such a matrix, its arrays do not fit each other, it has another
            width, holds NaN or infinity, or too many rows for the memory.
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
    if matrix.format != "csr":
        rows = matrix.shape[0]
        check_memory(  # Where its rows start, and a copy while it is made.
            f"Converting {rows:,} rows to CSR takes at least",
            16 * rows,
            "Use fewer rows at a time.",
        )
    _check_arrays(matrix)
    csr = scipy.sparse.csr_matrix(matrix)  # Shares the arrays of one that is CSR already.
    if matrix.format not in _CHECKS:  # The lists of LIL and the keys of DOK can be wrong as well.
        _check_arrays(csr)
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


def _check_arrays(matrix):
    """Raises a `ValueError` if a matrix has entries outside of its shape or of its arrays."""
    wrong = _CHECKS.get(matrix.format, lambda matrix: "")(matrix)
    if wrong:
        raise ValueError(
            f"A sparse matrix of format {matrix.format!r} and shape {tuple(matrix.shape)} is "
            f"damaged: {wrong}."
        )


def _compressed(matrix):
    """What is wrong with the arrays of CSR, CSC or BSR; "" for nothing.

    Unlike SciPy's `check_format(full_check=True)`, it changes nothing, and looks at all of `indptr`
    if the last entry says that the matrix is empty.
    """
    indptr, indices, data = matrix.indptr, matrix.indices, matrix.data
    block = data.shape[1:] or (1, 1)
    if data.ndim != (3 if matrix.format == "bsr" else 1) or 0 in block:
        return f"data of shape {data.shape}"
    if any(size % length for size, length in zip(matrix.shape, block, strict=True)):
        return f"blocks of shape {block}"
    major, minor = (size // length for size, length in zip(matrix.shape, block, strict=True))
    if matrix.format == "csc":
        major, minor = minor, major
    if not indptr.ndim == indices.ndim == 1 or not indptr.dtype.kind == indices.dtype.kind == "i":
        return "indptr and indices must be one-dimensional arrays of integers"
    if len(indptr) != major + 1:
        return f"indptr has {len(indptr):,} entries instead of {major + 1:,}"
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        return "indptr must start with 0 and never decrease"
    entries = int(indptr[-1])
    if entries > min(len(indices), len(data)):
        return f"indptr counts {entries:,} entries, of which there are {len(indices):,}"
    return _outside("an index", indices[:entries], minor)


def _coordinates(matrix):
    """What is wrong with the arrays of COO; "" for nothing."""
    row, col, data = matrix.row, matrix.col, matrix.data
    if not len(row) == len(col) == len(data):
        return f"{len(row):,} rows and {len(col):,} columns for {len(data):,} entries"
    rows, columns = matrix.shape
    return _outside("a row", row, rows) or _outside("a column", col, columns)


def _diagonals(matrix):
    """What is wrong with the arrays of DIA; "" for nothing."""
    offsets, data = matrix.offsets, matrix.data
    rows, columns = matrix.shape
    if data.ndim != 2 or offsets.ndim != 1 or len(offsets) != len(data):
        return f"{offsets.size:,} offsets for diagonals of shape {data.shape}"
    if len(offsets) and not (-rows <= offsets.min() and offsets.max() <= columns):
        return f"an offset is {offsets[np.abs(offsets).argmax()]:,}"
    return ""


_CHECKS = {
    "csr": _compressed,
    "csc": _compressed,
    "bsr": _compressed,
    "coo": _coordinates,
    "dia": _diagonals,
}


def _outside(what, positions, size):
    if len(positions) and not (0 <= positions.min() and positions.max() < size):
        wrong = positions[(positions < 0) | (positions >= size)][0]
        return f"{what} is {wrong:,}, beyond {size:,} places (counted from 0)"
    return ""


def _shape(x):
    shape = getattr(x, "shape", None)
    return "" if shape is None else f" of shape {tuple(shape)}"
