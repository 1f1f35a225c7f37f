"""Table files of any format: whole, in chunks, or as a random sample of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparse_keras._internal.memory import free_memory
from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.encodings import UTF8
from sparse_keras.data.reading import compression, suffix_of
from sparse_keras.data.tabular.formats import (
    CSVFile,
    ExcelFile,
    JSONLinesFile,
    NPZFile,
    ParquetFile,
)
from sparse_keras.data.tabular.missing import MissingValues
from sparse_keras.data.tabular.unsupported import conversion_advice

CHUNK_ROWS = 50_000
_FORMATS = {
    ".csv": CSVFile,
    ".tsv": CSVFile,
    ".txt": CSVFile,
    ".jsonl": JSONLinesFile,
    ".ndjson": JSONLinesFile,
    ".parquet": ParquetFile,
    ".pq": ParquetFile,
    ".npz": NPZFile,
    ".xlsx": ExcelFile,
    ".xlsm": ExcelFile,
}
_TEXT = (CSVFile, JSONLinesFile)


def is_csv(path: str | Path) -> bool:
    """Whether a file is read as CSV, and so has a separator and a decimal point."""
    return _FORMATS.get(suffix_of(path)) is CSVFile


def is_excel(path: str | Path) -> bool:
    """Whether a file is read as an Excel workbook, and so has sheets."""
    return _FORMATS.get(suffix_of(path)) is ExcelFile


def open_table(
    path,
    separator=None,
    decimal=".",
    text=(),
    missing=None,
    encoding=UTF8,
    sheet=None,
    header_row=1,
):
    """Returns the `TableFile` for a path; its suffix says which format.

    Args:
        path: A file that ends in .csv, .tsv, .txt, .jsonl, .ndjson, .parquet, .pq, .npz, .xlsx or
            .xlsm. Text may be compressed, as in .csv.gz, .csv.bz2 or .csv.xz.
        separator: CSV only: the character between cells; None is a tab for .tsv, else a comma. A
            file may declare it in its first line, `sep=;`.
        decimal: CSV only: the decimal point.
        text: CSV only: columns to read as text, whatever they hold.
        missing: Words and numbers that mean "missing" beside the usual words, as `data.missing` of
            a config: a list, or a dict of lists by column.
        encoding: CSV only: the encoding, for a file without a byte order mark.
        sheet: Excel only: the name of the sheet; None for the only one that holds anything.
        header_row: Excel only: the row of the sheet that names the columns, from 1.

    Raises:
        ValueError: If the file does not exist, or its format is unknown.
    """
    suffix = suffix_of(path)
    if suffix not in _FORMATS or (compression(path) and _FORMATS[suffix] not in _TEXT):
        raise ValueError(
            f"{path}: expected a table that ends in one of {listing(_FORMATS, limit=99)}."
            f"{conversion_advice(path)}"
        )
    missing = MissingValues.of(missing)
    if is_excel(path):
        return ExcelFile(path, missing, sheet, header_row)
    if not is_csv(path):
        return _FORMATS[suffix](path, missing)
    if separator is None:
        separator = "\t" if suffix == ".tsv" else ","
    return CSVFile(path, separator, decimal, text, missing, encoding)


def read_table(path: str | Path, **options: Any) -> pd.DataFrame:
    """Returns a table file as a DataFrame.

    Args:
        path: The file, as for `open_table`.
        **options: Of `open_table`.

    Raises:
        ValueError: If the file is empty, has no rows, is clearly too large for the memory, or
            cannot be read as a table.
    """
    file = open_table(path, **options)
    file.check_fits("Read it in parts with sparse_keras.data.iter_table, or split the file.")
    return read_rows(file)


def iter_table(
    path: str | Path, chunk_rows: int = CHUNK_ROWS, **options: Any
) -> Iterator[pd.DataFrame]:
    """Yields a table file as DataFrames, in order, without loading all of it (except for NPZ).

    The types of columns are those of a chunk. Give `text` the columns that are categories
    (`Features.categorical`), so that these do not depend on the chunk. In a CSV file, numbers with
    leading zeros are text only in these columns.

    Args:
        path: The file, as for `open_table`.
        chunk_rows: Most rows of a DataFrame. The index counts the rows of the file from 0.
        **options: Of `open_table`.

    Raises:
        ValueError: As `read_table`.
    """
    yield from iter_rows(open_table(path, **options), chunk_rows)


def iter_rows(file, chunk_rows=CHUNK_ROWS):
    """Yields the rows of a `TableFile` as DataFrames, in order."""
    rows = 0
    for chunk in file.chunks(chunk_rows):
        rows += len(chunk)
        yield chunk
    _refuse_no_rows(file, rows)


def read_rows(file):
    """Returns all rows of a `TableFile`."""
    frame = file.read()
    _refuse_no_rows(file, len(frame))
    return frame


def sample_rows(file, max_rows, seed, chunk_rows=CHUNK_ROWS):
    """Returns `max_rows` rows of a `TableFile`, or all if there are fewer.

    Each row of the file draws a random number, and the rows with the smallest numbers are returned:
    every set of rows is equally likely, and the result depends on the seed and the number of rows
    only.

    Args:
        file: A `TableFile`.
        max_rows: Most rows.
        seed: Non-negative integer.
        chunk_rows: Rows read at a time: memory holds these and up to twice `max_rows`.

    Returns:
        A DataFrame in the order of the file, whose index is the position in the file.
    """
    rng = np.random.default_rng([seed, 1])  # Not the random stream that splits the rows.
    kept, keys = [], np.empty(0)
    limit = 1.0  # A row with a larger number cannot be among the smallest.
    for chunk in file.raw_chunks(chunk_rows):
        drawn = rng.random(len(chunk))
        near = drawn < limit
        kept.append(chunk[near])
        keys = np.concatenate([keys, drawn[near]])
        if len(keys) > 2 * max_rows:  # Not at each chunk, since it copies all rows.
            kept, keys = _smallest(kept, keys, max_rows)
            limit = keys.max()
    _refuse_no_rows(file, len(keys))
    (frame,), _ = _smallest(kept, keys, max_rows)
    return file.typed(frame)


def _smallest(frames, keys, count):
    """The rows of the `count` smallest keys, in their order: `([frame], keys)`."""
    frame = pd.concat(frames)
    if len(keys) > count:
        chosen = np.sort(np.argpartition(keys, count)[:count])
        frame, keys = frame.iloc[chosen], keys[chosen]
    return [frame], keys


def fits_memory(file):
    """Whether there is memory for twice the content, the least that reading and encoding takes."""
    free = free_memory()
    return free is None or 2 * file.nbytes() <= free


def refuse_other_format(file):
    """Refuses a file whose suffix is that of another format than the one it is read as.

    Raises:
        ValueError: If it is. Other suffixes, such as ".data", are taken.
    """
    format = _FORMATS.get(suffix_of(file.path))
    if format is not None and not isinstance(file, format):
        names = [suffix for suffix, one in _FORMATS.items() if isinstance(file, one)]
        raise ValueError(
            f"{file.path}: data.type reads files that end in {listing(names)}. Convert the file, "
            "or set the data.type of its format."
        )


def refuse_beyond_memory(file):
    """Refuses a file that clearly leaves no room for the table that it holds.

    Raises:
        ValueError: If it does not fit.
    """
    file.check_fits("Set data.max_rows, such as 1000000, to use a random sample of its rows.")


def refuse_absent(file, frame, names, what):
    """Refuses a table that lacks a column, with what may be wrong with the reading of its file.

    Args:
        file: The `TableFile`.
        frame: Rows of it.
        names: The columns that must be there.
        what: What these are, such as "a target column".

    Raises:
        ValueError: If one is not there.
    """
    for name in names:
        if name not in frame:
            hint = did_you_mean(name, frame.columns) + file.hint(frame)
            raise ValueError(
                f"expected {what} {name!r}.{hint} Columns of the file: {listing(frame.columns)}."
            )


def _refuse_no_rows(file, rows):
    if not rows:
        raise ValueError(f"{file.path} has no rows.")
