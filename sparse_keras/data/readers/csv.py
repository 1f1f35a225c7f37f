"""The user's own file: a CSV with one header line.

Columns of numbers become numeric, all others categorical; empty cells and the usual words for
"missing" are missing. A file that could be misread silently is refused instead.
"""

import warnings
from pathlib import Path

import pandas as pd

from sparse_keras.data.columns import MISSING_STRINGS
from sparse_keras.data.readers.raw import RawTable
from sparse_keras.data.splits import hold_out
from sparse_keras.data.suggest import did_you_mean, listing
from sparse_keras.data.targets import infer_target


def read(options):
    """Returns a CSV file as a `RawTable`, with a part of its rows held out for testing.

    Args:
        options: Anything with `path`, `target`, `task`, `separator`, `test_fraction` and
            `split_seed`.

    Raises:
        ValueError: If the file cannot be read as a table, or has no usable target.
    """
    path = Path(options.path)
    frame = _read_table(path, options.separator)
    if options.target not in frame:
        hint = did_you_mean(options.target, frame.columns)
        if len(frame.columns) == 1:
            hint = f" Is the separator {options.separator!r} right? The file has one column."
        raise ValueError(
            f"{path}: expected a target column {options.target!r}.{hint} "
            f"Columns of the file: {listing(frame.columns)}."
        )
    try:
        target = infer_target(frame[options.target], options.task)
        _refuse_empty_columns(frame)
        train, test = hold_out(
            frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return RawTable(path.stem, train, test, target)


def _read_table(path, separator):
    if not path.is_file():
        folder = path.parent
        siblings = [file.name for file in folder.iterdir()] if folder.is_dir() else []
        raise ValueError(
            f"Data file {path} does not exist.{did_you_mean(path.name, siblings) or ''}"
            + ("" if siblings else f" Nor is there anything in its folder {folder}.")
        )
    kwargs = {
        "sep": separator,
        "skipinitialspace": True,
        "keep_default_na": False,
        "encoding": "utf-8-sig",  # spreadsheets start a file with a byte order mark
    }
    try:
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, na_values="", **kwargs).iloc[0]
        with warnings.catch_warnings():
            # Else pandas takes the first cells of too long rows for row names, or drops the last.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, na_values=MISSING_STRINGS, index_col=False, low_memory=False, **kwargs
            )
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path} is empty. Expected a header line and rows.") from None
    except pd.errors.ParserWarning:
        raise ValueError(f"{path}: rows have more cells than the header has columns.") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error

    if header.isna().any():
        raise ValueError(
            f"{path}: column {int(header.isna().argmax()) + 1} has no name. Name it, or remove it "
            "(pandas writes a table without its row numbers with to_csv(..., index=False))."
        )
    header = header.str.strip()
    if header.duplicated().any():
        raise ValueError(
            f"{path}: column names must be distinct. Received twice: "
            f"{listing(header[header.duplicated()].unique())}."
        )
    if frame.empty:
        raise ValueError(f"{path} has a header and no rows.")
    frame.columns = header.tolist()
    return frame


def _refuse_empty_columns(frame):
    empty = frame.columns[frame.isna().all()]
    if len(empty):
        raise ValueError(
            f"columns without a single value teach nothing. Remove {listing(empty)} from the file."
        )
