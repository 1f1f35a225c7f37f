"""NumPy arrays in one file, from `numpy.savez`.

An array of rank 1 is a column. One of rank 2, `[N, D]`, named x is the columns x_0 to x_(D-1).
"""

import zipfile
import zlib

import numpy as np
import pandas as pd

from sparse_keras.data.tabular.formats.base import TableFile, without_missing_strings


class NPZFile(TableFile):
    """An NPZ file. Its arrays cannot be read in part: chunks need as much memory as the table."""

    def read(self):
        columns = {}
        lengths = {}
        for name, array in self._arrays():
            lengths[name] = len(array)
            if array.ndim == 1:
                parts = {name: array}
            else:
                parts = {f"{name}_{column}": part for column, part in enumerate(array.T)}
            for doubled in columns.keys() & parts.keys():
                raise ValueError(
                    f"{self.path}: column names must be distinct. {doubled!r} is an array and a "
                    "column of an array of rank 2."
                )
            columns |= parts
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{self.path}: arrays must be equally long. Received: {lengths}.")
        return self.named(without_missing_strings(pd.DataFrame(columns)))

    def raw_chunks(self, num_rows):
        frame = self.read()
        for start in range(0, len(frame), num_rows):
            yield frame[start : start + num_rows]

    def nbytes(self):
        with self._opened() as arrays:
            return sum(member.file_size for member in arrays.zip.infolist())

    def _opened(self):
        try:
            arrays = np.load(self.path, allow_pickle=False)
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{self.path} cannot be read as an NPZ file: {error}") from error
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError(
                f"{self.path} holds one array without a name. Write named ones with "
                "numpy.savez(path, x=..., y=...)."
            )
        return arrays

    def _arrays(self):
        with self._opened() as arrays:
            for name in arrays.files:
                try:
                    array = arrays[name]
                except (ValueError, zipfile.BadZipFile, zlib.error) as error:
                    raise ValueError(f"{self.path}: array {name!r}: {error}") from error
                if array.ndim not in (1, 2) or array.dtype.kind not in "biufUSMm":
                    raise ValueError(
                        f"{self.path}: array {name!r} must hold numbers, text, booleans or dates, "
                        f"in rank 1 or 2. Received: {array.dtype} of shape {list(array.shape)}."
                    )
                if array.dtype.kind == "S":
                    array = np.char.decode(array, "utf-8", "replace")
                yield name, array.astype(array.dtype.newbyteorder("="), copy=False)
