"""Files of matrices that are mostly zeros: those of scipy.sparse.save_npz, and svmlight's text."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.csr.table import SparseTable

TARGET = "target"  # The name of the target of a svmlight file, which has no names.
SVMLIGHT_SUFFIXES = (".svm", ".svmlight", ".libsvm")


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
    suffix = Path(path).suffix.lower()
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
    suffix = Path(path).suffix.lower()
    if suffix not in (".npz", *SVMLIGHT_SUFFIXES):
        return False
    _refuse_missing(path)
    if suffix != ".npz":
        return True
    try:
        with np.load(path) as arrays:
            return {"format", "shape", "data"} <= set(arrays.files)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return False  # Whoever reads it as a table says what is wrong.


def read_npz(path):
    """Returns the matrix of a file of `scipy.sparse.save_npz`."""
    _refuse_missing(path)
    try:
        return scipy.sparse.load_npz(path)
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise ValueError(
            f"{path} is not a matrix of scipy.sparse.save_npz. {type(error).__name__}: {error}"
        ) from error


def read_svmlight(path, width=None, zero_based=False):
    """Returns a svmlight file as a `SparseTable` whose target is the column "target"."""
    # Imported here: loading a saved model does not need it.
    from sklearn.datasets import load_svmlight_file

    _refuse_missing(path)
    try:
        matrix, y = load_svmlight_file(str(path), n_features=width, zero_based=zero_based)
    except (ValueError, OSError) as error:
        counting = "from 0" if zero_based else "from 1"
        raise ValueError(
            f"{path} cannot be read as a svmlight file that counts columns {counting} "
            f"(data.zero_based): {error}"
        ) from error
    if not len(y):
        raise ValueError(f"{path} has no rows.")
    whole = np.isfinite(y).all() and (y == np.round(y)).all()
    return SparseTable(matrix, pd.DataFrame({TARGET: y.astype("int64") if whole else y}))


def with_target_of(table, target):
    """A svmlight file's `SparseTable`, whose target is called as a model's is."""
    if len(target.columns) != 1:
        raise ValueError(f"A svmlight file has one target. The model has {len(target.columns)}.")
    return SparseTable(table.matrix, table.targets.set_axis(list(target.columns), axis=1))


def _refuse_missing(path):
    if not Path(path).is_file():
        raise ValueError(f"{path} does not exist.")
