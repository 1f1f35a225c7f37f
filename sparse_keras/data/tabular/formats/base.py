"""What all formats of table files share."""

import re
from pathlib import Path

import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras.data.reading import check_exists, check_fits, unpacked_size
from sparse_keras.data.tabular.columns import ROWS_OF_FILE
from sparse_keras.data.tabular.missing import MissingValues, with_missing

# Our name and that of pandas for a column that has none in its file.
_UNNAMED = re.compile(r"unnamed_\d+|Unnamed: \d+")


def unnamed(place):
    """The name of a column that has none in its file.

    Args:
        place: Its place among the columns, from 1.
    """
    return f"unnamed_{place}"


def is_unnamed(name):
    """Whether a column has no name in its file, as the row numbers that pandas writes."""
    return isinstance(name, str) and _UNNAMED.fullmatch(name) is not None


class TableFile:
    """A file that holds a table: named columns and rows.

    A frame's index counts the rows of the file from 0, so that a message can name a row, whatever
    part of the file the frame is.

    Args:
        path: The file.
        missing: The `MissingValues` of its columns. `None`: the usual words alone.

    Raises:
        ValueError: If there is no such file. Reading raises it if the file is damaged.
    """

    def __init__(self, path, missing=None):
        self.path = Path(path)
        self.missing = missing or MissingValues()
        check_exists(self.path)

    def read(self):
        """Returns the whole table as a DataFrame."""
        raise NotImplementedError

    def raw_chunks(self, num_rows):
        """Yields DataFrames of at most `num_rows` rows, in order; `typed` completes them."""
        raise NotImplementedError

    def chunks(self, num_rows):
        """Yields DataFrames of at most `num_rows` rows, in order."""
        return self.raw_chunks(num_rows)

    def typed(self, raw):
        """Gives rows gathered from `raw_chunks` the types that `read` would give them."""
        return with_missing(raw, self.missing)

    def nbytes(self):
        """Size of the uncompressed content, in bytes."""
        return unpacked_size(self.path)

    def check_fits(self, advice):
        """Raises a `ValueError` if the content clearly leaves no room for the table.

        Args:
            advice: What to do instead, a sentence.
        """
        check_fits(self.path, self.nbytes(), advice)

    def hint(self, frame):
        """What may be wrong with the reading of `frame`, which lacks a column: a sentence or ""."""
        del frame
        return ""

    def named(self, frame, start=0):
        """Checks the names of the columns, and numbers the rows from `start`."""
        names = pd.Series(frame.columns, dtype=object).str.strip().str.normalize("NFC")
        if names.duplicated().any():
            raise ValueError(
                f"{self.path}: column names must be distinct. Received twice: "
                f"{listing(names[names.duplicated()].unique())}."
            )
        frame.columns = names.tolist()
        frame.index = pd.RangeIndex(start, start + len(frame))
        frame.attrs[ROWS_OF_FILE] = True
        return frame
