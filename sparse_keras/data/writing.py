"""Writes tables part by part: CSV, JSON lines, Parquet."""

import contextlib
import sys
from pathlib import Path

import numpy as np

from sparse_keras._internal.atomic import replacing
from sparse_keras._internal.suggest import listing
from sparse_keras.data.reading import pyarrow_for

_FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


class TableWriter:
    """A context in which DataFrames of the same columns are written to a file, one after another.

    The file appears, complete, when the context ends. After an error there is no file, and a file
    that existed before is unchanged.

    Args:
        path: A file that ends in .csv, .tsv, .jsonl or .parquet. None: CSV to standard output.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: If the file exists already, or has another suffix.
    """

    def __init__(self, path=None, overwrite=False):
        self._path = path and Path(path)
        self._overwrite = overwrite
        self._exits = contextlib.ExitStack()
        self._file = None
        self._parquet = None
        self._empty = True
        if self._path is None:
            return
        if self._path.suffix not in _FORMATS:
            raise ValueError(
                f"{path}: expected a file that ends in one of {listing(_FORMATS)}, which says how "
                "it is written."
            )
        if self._path.exists() and not overwrite:
            raise ValueError(f"{path} is there already; --overwrite replaces it.")
        if not self._path.parent.is_dir():
            raise ValueError(f"{path}: there is no folder {self._path.parent}.")

    def __enter__(self):
        if self._path is None:
            self._file = sys.stdout
            return self
        partial = self._exits.enter_context(replacing(self._path, self._overwrite))
        if self._path.suffix == ".parquet":
            self._parquet = self._exits.enter_context(_ParquetParts(partial))
        else:
            file = open(partial, "w", encoding="utf-8", newline="")
            self._file = self._exits.enter_context(file)
        return self

    def write(self, frame):
        """Writes the rows of a DataFrame."""
        with self._file_named():
            self._write(frame)
        self._empty = False

    def _write(self, frame):
        suffix = ".csv" if self._path is None else self._path.suffix
        if suffix == ".parquet":
            self._parquet.write(frame)
        elif suffix == ".jsonl":
            frame.to_json(self._file, orient="records", lines=True, force_ascii=False)
        else:
            separator = "\t" if suffix == ".tsv" else ","
            # Numbers of customers are float64 as soon as one is missing: 102406, not 102406.0.
            frame = frame.copy(deep=False)
            for name in frame.select_dtypes("float64"):
                frame[name] = frame[name].map(_without_zeros)
            frame.to_csv(self._file, sep=separator, index=False, header=self._empty)

    def __exit__(self, *error):
        with self._file_named():
            if self._path is None:
                sys.stdout.flush()
            return self._exits.__exit__(*error)

    @contextlib.contextmanager
    def _file_named(self):
        """An error such as a full disk names the file, which `write` on an open file does not."""
        try:
            yield
        except OSError as error:
            if self._path is None or error.errno is None or error.filename is not None:
                raise
            raise OSError(error.errno, error.strerror, str(self._path)) from error


def _without_zeros(value):
    return "" if np.isnan(value) else np.format_float_positional(value, trim="-")


class _ParquetParts:
    """A Parquet file that is written part by part; the first decides the types."""

    def __init__(self, path):
        self._pyarrow = pyarrow_for(path)
        self._path = path
        self._writer = None

    def __enter__(self):
        return self

    def write(self, frame):
        schema = self._writer.schema if self._writer else None
        table = self._pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._writer is None:
            self._writer = self._pyarrow.parquet.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)

    def __exit__(self, *error):
        if self._writer is not None:
            self._writer.close()
