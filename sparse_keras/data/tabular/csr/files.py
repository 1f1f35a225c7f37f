"""Files of matrices that are mostly zeros: those of scipy.sparse.save_npz, and svmlight's text."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from sparse_keras._internal.memory import check_memory
from sparse_keras._internal.suggest import listing
from sparse_keras.data.csr import as_csr
from sparse_keras.data.reading import (
    check_exists,
    check_fits,
    errors_naming,
    open_bytes,
    suffix_of,
    unpacked_size,
)
from sparse_keras.data.tabular.csr.table import SparseTable
from sparse_keras.data.tabular.npz_headers import member_names, npz_headers

TARGET = "target"  # The name of the target of a svmlight file, which has no names.
SVMLIGHT_SUFFIXES = (".svm", ".svmlight", ".libsvm")

_MATRIX = {"format", "shape", "data"}
_INDICES = ("shape", "indptr", "indices", "row", "col", "coords", "offsets")
_MAX_INDEX = 2**31 - 1  # of scikit-learn's reader
_MAX_WHOLE = 2.0**53  # Beyond, float64 does not hold each whole number.


def read_matrix(path, width=None, zero_based=False):
    """Reads a file by its suffix: .npz, or a svmlight file.

    Args:
        path: The file.
        width: Number of columns, where they are known.
        zero_based: Whether a svmlight file counts columns from 0.

    Returns:
        A `SparseTable`; of a .npz file, without targets.

    Raises:
        ValueError: If it is neither, or cannot be read.
    """
    suffix = _suffix(path)
    if suffix == ".npz":
        return SparseTable(read_npz(path))
    if suffix in SVMLIGHT_SUFFIXES:
        return read_svmlight(path, width, zero_based)
    raise ValueError(
        f"{path}: the model was trained on a sparse matrix. Expected a file that ends in .npz, as "
        f"scipy.sparse.save_npz writes it, or in one of {listing(SVMLIGHT_SUFFIXES)}."
    )


def is_matrix_file(path):
    """Whether a file is one that `read_matrix` reads, and no table."""
    suffix = _suffix(path)
    if suffix not in (".npz", *SVMLIGHT_SUFFIXES):
        return False
    check_exists(path)
    return suffix != ".npz" or set(member_names(path) or ()) >= _MATRIX


def read_npz(path):
    """Returns the matrix of a file of `scipy.sparse.save_npz` as float32 CSR.

    Raises:
        ValueError: If it is no such file, is damaged, or clearly too large for the memory.
    """
    names = member_names(path)
    if names is None or not set(names) >= _MATRIX:
        held = f" It holds {listing(names)}." if names else ""
        raise ValueError(f"{path} is not a matrix of scipy.sparse.save_npz.{held}")
    headers = npz_headers(path)
    for name in _INDICES:
        if name in headers and headers[name].dtype.kind not in "iu":
            raise ValueError(
                f"{path}: array {name!r} must hold integers. Received: {headers[name].dtype}."
            )
    check_fits(path, sum(header.nbytes for header in headers.values()), "Use fewer rows at a time.")
    with errors_naming(path, "is not a matrix of scipy.sparse.save_npz"):
        matrix = scipy.sparse.load_npz(path)
    _check_width(path, math.prod(matrix.shape[1:]), "Use fewer columns")
    with errors_naming(path, "cannot be used"):
        return as_csr(matrix)


def read_svmlight(path, width=None, zero_based=False):
    """Returns a svmlight file as a `SparseTable` whose target is the column "target".

    Raises:
        ValueError: If it is no such file, is damaged, or clearly too large for the memory.
    """
    # Imported here: loading a saved model does not need it.
    from sklearn.datasets import load_svmlight_file

    check_exists(path)
    check_fits(path, unpacked_size(path), "Use fewer rows at a time.")
    if width is not None:
        _check_width(path, width, "Decrease data.num_columns")
    counting = f"counts columns from {0 if zero_based else 1} (data.zero_based)"
    with errors_naming(path, f"cannot be read as a svmlight file that {counting}"):
        try:
            with open_bytes(path) as file:
                matrix, y = load_svmlight_file(file, n_features=width, zero_based=zero_based)
        except Exception:
            _refuse_first_wrong_line(path, width, zero_based)
            raise
    if not len(y):
        raise ValueError(f"{path} has no rows.")
    _check_width(path, matrix.shape[1], "Number the columns without gaps")
    whole = np.isfinite(y).all() and (y == np.round(y)).all() and np.abs(y).max() <= _MAX_WHOLE
    with errors_naming(path, "cannot be used"):
        return SparseTable(matrix, pd.DataFrame({TARGET: y.astype("int64") if whole else y}))


def with_target_of(table, target):
    """A svmlight file's `SparseTable`, whose target is called as a model's is."""
    if len(target.columns) != 1:
        raise ValueError(f"A svmlight file has one target. The model has {len(target.columns)}.")
    return SparseTable(table.matrix, table.targets.set_axis(list(target.columns), axis=1))


def _suffix(path):
    """The suffix that tells the format: that of a svmlight file may be followed by .gz."""
    suffix = suffix_of(path)
    return suffix if suffix in SVMLIGHT_SUFFIXES else Path(path).suffix.lower()


def _check_width(path, width, advice):
    """Refuses columns for which no first layer can be made."""
    check_memory(
        f"{path} has {width:,} columns. A layer of one unit for them takes",
        4 * width,
        f"{advice}.",
    )


def _refuse_first_wrong_line(path, width, zero_based):
    """Raises a `ValueError` about the first line that is not svmlight, if there is one."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            cells = line.partition(b"#")[0].decode("utf-8", "replace").split()
            if cells and (wrong := _why_no_row(cells, width, zero_based)):
                raise ValueError(f"line {number}: {wrong}")


def _why_no_row(cells, width, zero_based):
    target, *pairs = cells
    try:
        float(target)
    except ValueError:
        return f"expected a number as target. Received: {target[:40]!r}"
    if pairs and pairs[0].startswith("qid"):
        pairs = pairs[1:]
    first = 0 if zero_based else 1
    last = _MAX_INDEX if width is None else width - 1 + first
    before = first - 1
    for pair in pairs:
        column, _, value = pair.partition(":")
        try:
            column = int(column)
            float(value)
        except ValueError:
            return f"expected column:value. Received: {pair[:40]!r}"
        if not first <= column <= last:
            return f"expected a column between {first} and {last:,}. Received: {column}"
        if column <= before:
            return f"columns must increase. Received: {column} after {before}"
        before = column
    return ""
