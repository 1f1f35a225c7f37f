"""Writes tables part by part: CSV, JSON lines, Parquet."""

import os
import sys
from pathlib import Path

from sparse_keras.data.suggest import listing

_FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


class TableWriter:
    """A context in which DataFrames of the same columns are written to a file, one after another.

    The file appears when the context ends, whole; after an error there is none, and one that was
    there before is still there.

    Args:
        path: A file that ends in .csv, .tsv, .jsonl or .parquet. None: CSV to standard output.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ValueError: If the file is there already, or has another suffix.
    """

    def __init__(self, path=None, overwrite=False):
        self._path = path and Path(path)
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
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")

    def __enter__(self):
        if self._path is None:
            self._file = sys.stdout
        elif self._path.suffix != ".parquet":
            self._file = open(self._part, "w", encoding="utf-8", newline="")
        return self

    def write(self, frame):
        """Writes the rows of a DataFrame."""
        suffix = ".csv" if self._path is None else self._path.suffix
        if suffix == ".parquet":
            self._write_parquet(frame)
        elif suffix == ".jsonl":
            frame.to_json(self._file, orient="records", lines=True, force_ascii=False)
        else:
            separator = "\t" if suffix == ".tsv" else ","
            frame.to_csv(self._file, sep=separator, index=False, header=self._empty)
        self._empty = False

    def _write_parquet(self, frame):
        import pyarrow
        import pyarrow.parquet

        # The first part decides the types; a later one that does not fit them is an error.
        schema = self._parquet.schema if self._parquet else None
        table = pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
        if self._parquet is None:
            self._parquet = pyarrow.parquet.ParquetWriter(self._part, table.schema)
        self._parquet.write_table(table)

    def __exit__(self, kind, error, traceback):
        if self._path is None:
            sys.stdout.flush()
            return
        for file in (self._file, self._parquet):
            if file is not None:
                file.close()
        if kind is None:
            os.replace(self._part, self._path)
        else:
            self._part.unlink(missing_ok=True)
