"""CSV: text with one header line, and a separator between cells.

Columns of numbers become numbers, all others text. Numbers with leading zeros, such as "00501", are
codes and stay text.
"""

import contextlib
import csv
import io
import re
import warnings

import numpy as np
import pandas as pd

from sparse_keras._internal.csv_characters import (
    why_no_decimal,
    why_no_encoding,
    why_no_separator,
)
from sparse_keras.data.encodings import UTF8, encoding_of, undecodable
from sparse_keras.data.reading import compression, errors_naming, open_bytes
from sparse_keras.data.tabular.formats.base import TableFile, unnamed
from sparse_keras.data.tabular.missing import ALWAYS_MISSING, with_missing
from sparse_keras.data.tabular.sniffing import declared_separator, sniff_csv
from sparse_keras.data.tabular.unsupported import conversion_advice

# Of a file that is searched, and of a number in it that two blocks may share; in bytes.
_BLOCK, _LONGEST = 2**20, 64
_PANDAS_COMPRESSION = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", "": None}


class CSVFile(TableFile):
    """A CSV file.

    Args:
        path: The file, which may be compressed by gzip, bzip2 or xz (`.csv.gz`).
        separator: The character between cells, unless the first line of the file declares it
            (`sep=;`).
        decimal: The decimal point of its numbers.
        text: Columns to keep as text whatever they hold.
        missing: The `MissingValues` of its columns.
        encoding: The encoding, unless the file starts with a byte order mark.
    """

    def __init__(self, path, separator=",", decimal=".", text=(), missing=None, encoding=UTF8):
        super().__init__(path, missing)
        if wrong := why_no_encoding(encoding):
            raise ValueError(f"{path}: {wrong}")
        self.encoding = encoding_of(path, encoding)
        self._declared = declared_separator(path, self.encoding)
        self.separator = separator = self._declared or separator
        self.decimal = decimal
        self.text = tuple(text)
        if advice := conversion_advice(path):
            raise ValueError(f"{path} is not a CSV file.{advice}")
        if wrong := why_no_separator(separator):
            raise ValueError(f"{path}: {wrong}{self._separator_hint()}")
        if wrong := why_no_decimal(decimal, separator):
            raise ValueError(f"{path}: {wrong}")

    def read(self):
        header = self._header()
        with self._errors_name_the_file():
            frame = self._parse(self.path, header, **self._of_file())
            codes = self._codes(frame)
        return self._completed(self._named(frame, header), codes)

    def chunks(self, num_rows):
        """Chunks in which numbers with leading zeros are numbers, except in `text`: whether a
        column has any is known when all of it is read."""
        header = self._header()
        for chunk in self._chunks(num_rows, header, self._types(header)):
            if self.missing.is_declared:
                chunk = with_missing(chunk, self.missing, self._as_numbers)
            yield chunk

    def raw_chunks(self, num_rows):
        """Chunks of text: the type of a column is that of all rows that are used."""
        return self._chunks(num_rows, self._header(), {"dtype": str, "na_values": [""]})

    def typed(self, raw):
        header = pd.Series(raw.columns)
        # Through a file again, so that a sample is read exactly as a file of these rows would be.
        # Quotes, since line breaks and leading blanks in cells are part of them.
        content = raw.to_csv(index=False, sep=self.separator, quoting=csv.QUOTE_ALL)
        with self._errors_name_the_file():
            frame = self._parse(io.StringIO(content), header)
        frame.index = raw.index
        codes = raw.loc[:, [_has_codes(raw[name]) for name in raw]]
        return self._completed(frame, codes)

    def hint(self, frame):
        if len(frame.columns) == 1:
            return f" The file has one column.{self._separator_hint()}"
        if all(name.replace(".", "").isdigit() for name in frame.columns):
            return " The first line must hold the names of the columns."
        return self._separator_hint()

    def _separator_hint(self):
        separator, _ = sniff_csv(self.path, self.encoding)
        if separator == self.separator:
            return ""
        return (
            f" Is the separator {self.separator!r} right? Did you mean {separator!r}? It is set by "
            "data.separator of a config, or --separator."
        )

    def _chunks(self, num_rows, header, types):
        start = 0
        with self._errors_name_the_file():
            reader = pd.read_csv(
                self.path,
                index_col=False,
                chunksize=num_rows,
                **self._of_file(),
                **self._layout(),
                **types,
            )
        with reader:
            while True:
                with self._errors_name_the_file():
                    chunk = next(reader, None)
                if chunk is None or chunk.empty:
                    return
                yield self._named(chunk, header, start)
                start += len(chunk)

    def _parse(self, source, header, **options):
        return pd.read_csv(
            source, index_col=False, **self._layout(), **self._types(header), **options
        )

    def _of_file(self):
        return {
            "compression": _PANDAS_COMPRESSION[compression(self.path)],
            "encoding": self.encoding,
            "skiprows": 1 if self._declared else 0,
        }

    def _layout(self):
        return {
            "sep": self.separator,
            "skipinitialspace": True,
            "keep_default_na": False,
            "low_memory": False,
        }

    def _types(self, header):
        return {
            "na_values": ALWAYS_MISSING,
            "decimal": self.decimal,
            "dtype": {name: str for name in header if name.strip() in self.text},
        }

    def _completed(self, frame, codes):
        """What `pandas.read_csv` does not do.

        Args:
            frame: The table, with the names of its columns.
            codes: The columns of codes as text, with the same names.
        """
        for name in codes.columns.intersection(frame.columns[_numeric(frame)]):
            frame[name] = codes[name]
        return with_missing(frame, self.missing, self._as_numbers)

    def _as_numbers(self, series):
        if series.name in self.text or _has_codes(series):
            return series
        if self.decimal != ".":
            series = series.astype("str").str.replace(self.decimal, ".", regex=False)
        try:
            return pd.to_numeric(series)
        except (TypeError, ValueError):
            return series

    def _codes(self, frame):
        """The columns of numbers in which some have leading zeros, as text."""
        columns = _numeric(frame)
        if not columns.any() or not self._may_have_codes():
            return frame.iloc[:, :0]
        text = pd.read_csv(
            self.path,
            index_col=False,
            dtype=str,
            na_values=[""],
            **self._of_file(),
            **self._layout(),
        )
        text = self.named(text).loc[:, columns]
        return text.loc[:, [_has_codes(text[name]) for name in text]]

    def _may_have_codes(self):
        """Whether a cell anywhere is a number with a leading zero: much faster than to parse it."""
        if "0".encode(self.encoding) != b"0":
            return True
        end = re.escape(self.separator.encode())
        cell = re.compile(rb"(?:[\r\n\" ]|%s)0[0-9]+(?:[\r\n\" ]|%s|\Z)" % (end, end))
        with open_bytes(self.path) as file:
            rest = b""
            while block := file.read(_BLOCK):
                if cell.search(rest + block):
                    return True
                rest = block[-_LONGEST:]
        return False

    def _header(self):
        with self._errors_name_the_file():
            header = pd.read_csv(
                self.path,
                header=None,
                nrows=1,
                dtype=str,
                na_values="",
                **self._of_file(),
                **self._layout(),
            ).iloc[0]
        return header.mask(header.isna(), [unnamed(place) for place in range(1, len(header) + 1)])

    def _named(self, frame, header, start=0):
        frame.columns = header.tolist()  # pandas would have renamed a doubled column
        return self.named(frame, start)

    @contextlib.contextmanager
    def _errors_name_the_file(self):
        try:
            with warnings.catch_warnings():
                # Else pandas takes the first cells of too long rows for row names, or drops the
                # last.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                yield
        except pd.errors.EmptyDataError:
            raise ValueError(f"{self.path} is empty. Expected a header line and rows.") from None
        except UnicodeError:
            raise ValueError(undecodable(self.path, self.encoding)) from None
        except (pd.errors.ParserWarning, pd.errors.ParserError) as error:
            raise ValueError(f"{self._ragged(error)}{self._separator_hint()}") from error
        except Exception as error:
            with errors_naming(self.path, "cannot be read as a table"):
                raise error

    def _ragged(self, error):
        """Which line does not fit the header; in the words of pandas, if none is found."""
        skipped = 1 if self._declared else 0
        first = start = 1 + skipped
        width = None
        with errors_naming(self.path, "is damaged"), open_bytes(self.path) as file:
            text = io.TextIOWrapper(file, encoding=self.encoding, errors="replace", newline="")
            for _ in range(skipped):
                next(text, None)
            rows = csv.reader(text, delimiter=self.separator, skipinitialspace=True)
            with contextlib.suppress(csv.Error):  # Such as cells that are too long for it.
                for row in rows:
                    width = width or len(row)
                    while len(row) > width and not row[-1].strip():
                        row.pop()  # pandas accepts separators at the end of each line.
                    if len(row) > width:
                        return (
                            f"{self.path}, line {start}: expected {width} cells, as in the header. "
                            f"Received: {len(row)}."
                        )
                    first, start = start, rows.line_num + 1 + skipped
        words = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        if words.startswith("EOF inside string"):
            return f"{self.path}, line {first}: a quote opens here, and none closes it."
        return f"{self.path} cannot be read as a table: {words}."


def _numeric(frame):
    """Which columns are of numbers, bool `[C]`."""
    return np.array([pd.api.types.is_any_real_numeric_dtype(dtype) for dtype in frame.dtypes], bool)


def _has_codes(series):
    """Whether a column of text has numbers with leading zeros, such as "007"."""
    return bool(series.str.match(r"\s*0[0-9]+\s*$").fillna(False).any())
