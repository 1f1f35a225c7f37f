"""NumPy arrays in one file, from `numpy.savez`.

An array of rank 1 is a column. One of rank 2, `[N, D]`, named x is the columns x_0 to x_(D-1).
"""

import numpy as np
import pandas as pd

from sparse_keras.data.reading import check_fits, errors_naming
from sparse_keras.data.tabular.formats.base import TableFile
from sparse_keras.data.tabular.missing import with_missing
from sparse_keras.data.tabular.npz_headers import npz_headers

_COLUMN = 500  # Bytes that a column takes in memory, beside its values.


class NPZFile(TableFile):
    """An NPZ file. Its arrays cannot be read in part: chunks need as much memory as the table."""

    def read(self):
        headers = self._checked_headers()
        columns = {}
        with errors_naming(self.path, "cannot be read as an NPZ file"):
            arrays = np.load(self.path, allow_pickle=False)
        with arrays:
            for name in headers:
                with errors_naming(self.path, f"cannot be read: array {name!r}"):
                    array = _native(arrays[name])
                    # Raises for what NumPy can hold and a table cannot, such as broken text.
                    parts = dict(pd.DataFrame(array, columns=_names(name, headers[name])))
                for doubled in columns.keys() & parts.keys():
                    raise ValueError(
                        f"{self.path}: column names must be distinct. {doubled!r} is an array and "
                        "a column of an array of rank 2."
                    )
                columns |= parts
        return self.named(with_missing(pd.DataFrame(columns), self.missing))

    def raw_chunks(self, num_rows):
        frame = self.read()
        for start in range(0, len(frame), num_rows):
            yield frame[start : start + num_rows]

    def nbytes(self):
        return _nbytes(self._headers())

    def check_fits(self, advice):
        self._checked_headers()  # What helps other files does not help this one.

    def _checked_headers(self):
        headers = self._headers()
        check_fits(
            self.path,
            _nbytes(headers),
            "An NPZ file cannot be read in parts. Write the arrays as a table in Parquet, of which "
            "data.max_rows uses a random sample.",
        )
        return headers

    def _headers(self):
        headers = npz_headers(self.path)
        if {"format", "shape", "data"} <= headers.keys():
            raise ValueError(
                f"{self.path} holds a sparse matrix of scipy.sparse.save_npz. Read it with "
                "data.type: sparse_npz."
            )
        for name, header in headers.items():
            if len(header.shape) not in (1, 2) or header.dtype.kind not in "biufUSMm":
                raise ValueError(
                    f"{self.path}: array {name!r} must hold numbers, text, booleans or dates, "
                    f"in rank 1 or 2. Received: {header.dtype} of shape {list(header.shape)}."
                )
        lengths = {name: header.shape[0] for name, header in headers.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{self.path}: arrays must be equally long. Received: {lengths}.")
        return headers


def _nbytes(headers):
    columns = sum(header.shape[1] if len(header.shape) == 2 else 1 for header in headers.values())
    return _COLUMN * columns + sum(header.nbytes for header in headers.values())


def _names(name, header):
    if len(header.shape) == 1:
        return [name]
    return [f"{name}_{column}" for column in range(header.shape[1])]


def _native(array):
    """The array in a type that pandas has."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype("float64")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
