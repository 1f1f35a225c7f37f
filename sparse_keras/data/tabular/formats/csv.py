"""CSV: text with one header line, and a separator between cells.

Columns of numbers become numbers, all others text; empty cells and the usual words for "missing"
are missing.
"""

import contextlib
import gzip
import io
import warnings
import zlib

import pandas as pd

from sparse_keras.data.tabular.columns import MISSING_STRINGS
from sparse_keras.data.tabular.formats.base import TableFile
from sparse_keras.data.tabular.sniffing import sniff_csv


class CSVFile(TableFile):
    """A CSV file.

    Args:
        path: The file.
        separator: The character between cells.
        decimal: The decimal point of its numbers.
        text: Columns to keep as text whatever they hold, so that "007" stays "007".
    """

    def __init__(self, path, separator=",", decimal=".", text=()):
        super().__init__(path)
        self.separator = separator
        self.decimal = decimal
        self.text = tuple(text)

    def read(self):
        header = self._header()
        with self._damage_told():
            frame = self._parse(self.path, header)
        return self._named(frame, header)

    def chunks(self, num_rows):
        header = self._header()
        return self._chunks(num_rows, header, self._types(header))

    def raw_chunks(self, num_rows):
        """Chunks of text: the type of a column is that of all rows that are used."""
        return self._chunks(num_rows, self._header(), {"dtype": str, "na_filter": False})

    def typed(self, raw):
        header = pd.Series(raw.columns)
        # Through a file again, so that a sample is read exactly as a file of these rows would be.
        content = io.StringIO(raw.to_csv(index=False, sep=self.separator))
        frame = self._parse(content, header)
        frame.index = raw.index
        return frame

    def doubt(self, frame):
        if len(frame.columns) == 1:
            return f" The file has one column.{self._separator_hint()}"
        if all(name.replace(".", "").isdigit() for name in frame.columns):
            return " The first line must hold the names of the columns."
        return self._separator_hint()

    def _separator_hint(self):
        separator, _ = sniff_csv(self.path)
        if separator == self.separator:
            return ""
        return f" Is the separator {self.separator!r} right? Did you mean {separator!r}?"

    def _chunks(self, num_rows, header, types):
        start = 0
        with self._damage_told():
            reader = pd.read_csv(
                self.path, index_col=False, chunksize=num_rows, **self._layout(), **types
            )
        with reader:
            while True:
                with self._damage_told():
                    chunk = next(reader, None)
                if chunk is None or chunk.empty:
                    return
                yield self._named(chunk, header, start)
                start += len(chunk)

    def _parse(self, source, header):
        return pd.read_csv(source, index_col=False, **self._layout(), **self._types(header))

    def _layout(self):
        return {
            "sep": self.separator,
            "skipinitialspace": True,
            "keep_default_na": False,
            "encoding": "utf-8-sig",  # spreadsheets start a file with a byte order mark
            "low_memory": False,
        }

    def _types(self, header):
        return {
            "na_values": MISSING_STRINGS,
            "decimal": self.decimal,
            "dtype": {name: str for name in header if name.strip() in self.text},
        }

    def _header(self):
        with self._damage_told():
            header = pd.read_csv(
                self.path, header=None, nrows=1, dtype=str, na_values="", **self._layout()
            ).iloc[0]
        if header.isna().any():
            raise ValueError(
                f"{self.path}: column {int(header.isna().argmax()) + 1} has no name. Name it, or "
                "remove it (pandas writes a table without its row numbers with "
                "to_csv(..., index=False))."
            )
        return header

    def _named(self, frame, header, start=0):
        frame.columns = header.tolist()  # pandas would have renamed a doubled column
        return self.named(frame, start)

    @contextlib.contextmanager
    def _damage_told(self):
        try:
            with warnings.catch_warnings():
                # Else pandas takes the first cells of too long rows for row names, or drops the
                # last.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                yield
        except pd.errors.EmptyDataError:
            raise ValueError(f"{self.path} is empty. Expected a header line and rows.") from None
        except pd.errors.ParserWarning:
            raise ValueError(
                f"{self.path}: rows have more cells than the header has columns."
                f"{self._separator_hint()}"
            ) from None
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.path} cannot be read as a table: {error}. Save it as UTF-8."
            ) from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:  # .csv.gz and the like
            raise ValueError(f"{self.path} is damaged: {error}") from error
        except pd.errors.ParserError as error:
            raise ValueError(
                f"{self.path} cannot be read as a table: {str(error).strip()}."
                f"{self._separator_hint()}"
            ) from error
