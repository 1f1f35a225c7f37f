"""Excel workbooks (.xlsx, .xlsm), read by openpyxl: a sheet whose header names the columns.

The values are those that the spreadsheet program saved, also of formulas. Dates come as datetimes,
and an error such as #N/A as text.
"""

import contextlib
import itertools
import warnings
import zipfile

import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.reading import check_fits, errors_naming
from sparse_keras.data.tabular.formats.base import TableFile, unnamed
from sparse_keras.data.tabular.missing import with_missing

MAX_ROWS = 1_048_576  # of a sheet
_OLD_OR_ENCRYPTED = b"\xd0\xcf\x11\xe0"
# How many rows are searched for the header, to suggest `header_row`.
_SEARCHED = 50


def openpyxl_for(path):
    """The package `openpyxl`, which only this format needs.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import openpyxl
    except ImportError:
        raise ValueError(f"{path}: Excel needs another package: pip install openpyxl") from None
    return openpyxl


class ExcelFile(TableFile):
    """A sheet of an Excel workbook.

    Rows without any value are left out. The others keep their number, counted from the header.

    Args:
        path: The file.
        missing: The `MissingValues` of its columns.
        sheet: The name of the sheet. None: the only one that holds anything.
        header_row: The row of the sheet that names the columns; the first is 1.

    Raises:
        ValueError: Also if openpyxl is not installed.
    """

    def __init__(self, path, missing=None, sheet=None, header_row=1):
        super().__init__(path, missing)
        self.sheet = sheet
        self.header_row = header_row
        self._openpyxl = openpyxl_for(path)

    def read(self):
        with self._rows() as rows:
            names = self._header(rows)
            return self._frame(list(_numbered(rows)), names)

    def raw_chunks(self, num_rows):
        with self._rows() as rows:
            names = self._header(rows)
            numbered = _numbered(rows)
            while chunk := list(itertools.islice(numbered, num_rows)):
                yield self._frame(chunk, names)

    def typed(self, raw):
        return with_missing(raw.infer_objects(), self.missing)

    def nbytes(self):
        """That of the text in it, which is about that of the values as Python holds them."""
        return sum(member.file_size for member in self._members())

    def suggested_header_row(self):
        """Returns the first row that has a text of its own in each column that is used.

        None if there is none among the first rows of the sheet.
        """
        with self._rows(start=1) as rows:
            rows = list(itertools.islice(rows, _SEARCHED))
        used = {place for row in rows for place in _places(row)}
        for number, row in enumerate(rows, 1):
            cells = [row[place] for place in _places(row)]
            if used and set(_places(row)) == used:
                texts = all(isinstance(cell, str) for cell in cells)
                return number if texts and len(set(cells)) == len(cells) else None
        return None

    def _header(self, rows):
        """The names of the columns, "" for columns without one."""
        header = next(rows, ())
        names = [_text(cell) for cell in header[: _width(header)]]
        if not names:
            raise ValueError(f"{self._where()} is empty.{self._header_hint()}")
        return names

    def _header_hint(self):
        suggested = self.suggested_header_row()
        if suggested in (None, self.header_row):
            return " Set data.header_row (--header-row) to the row that names the columns."
        return f" Is it row {suggested}? Set data.header_row: {suggested} (--header-row)."

    def _where(self):
        sheet = f", sheet {self.sheet!r}" if self.sheet is not None else ""
        return f"{self.path}{sheet}: the header, row {self.header_row},"

    def _frame(self, numbered, names):
        """A DataFrame of rows and their numbers from 0."""
        numbered = list(numbered)
        # pandas writes the numbers of rows into a first column without a name.
        if not names[0] and all(names[1:]) and any(0 in _places(row) for _, row in numbered):
            names = [unnamed(1), *names[1:]]
        named = [place for place, name in enumerate(names) if name]
        whole = len(named) == len(names)
        rows = []
        for number, row in numbered:
            if len(row) != len(names) or not whole:
                self._refuse_unnamed(row, number, names)
                row = [row[place] if place < len(row) else None for place in named]
            rows.append(row)
        with errors_naming(self.path, "cannot be read as a table"):
            # By position, since names may be doubled, which `named` refuses.
            frame = pd.DataFrame(rows, columns=range(len(named)), dtype=object).infer_objects()
        frame.columns = [names[place] for place in named]
        frame = self.named(frame)
        if numbered:
            frame.index = pd.Index([number for number, _ in numbered], dtype="int64")
            self._refuse_formulas(frame, named)
        return with_missing(frame, self.missing)

    def _refuse_unnamed(self, row, number, names):
        for place in _places(row):
            if place >= len(names) or not names[place]:
                raise ValueError(
                    f"{self._where()} has no name for column {_letters(place + 1)}, in which row "
                    f"{self.header_row + 1 + number} has the value {_text(row[place])!r}."
                    f"{self._header_hint()}"
                )

    def _refuse_formulas(self, frame, places):
        """Refuses formulas without values, as programs write them that do not compute."""
        empty = [column for column, name in enumerate(frame) if frame[name].isna().all()]
        if not empty:
            return
        with self._rows(formulas=True) as rows:
            for row in itertools.islice(rows, 1, _SEARCHED):
                for column in empty:
                    cell = row[places[column]] if places[column] < len(row) else None
                    if isinstance(cell, str) and cell.startswith("="):
                        raise ValueError(
                            f"{self.path}: column {frame.columns[column]!r} holds formulas such as "
                            f"{cell[:40]!r} without their values. Open the file in a spreadsheet "
                            "program and save it."
                        )

    @contextlib.contextmanager
    def _rows(self, start=None, formulas=False):
        """The rows of the sheet from the header on, tuples of values."""
        with self._workbook(formulas) as workbook:
            sheet = self._chosen(workbook)
            yield self._values(sheet, self.header_row if start is None else start)

    def _values(self, sheet, start):
        with self._errors_name_the_file():
            sheet.reset_dimensions()  # What the file says of its own size may be wrong.
            rows = sheet.iter_rows(values_only=True)
        for number in itertools.count(1):
            with self._errors_name_the_file():
                row = next(rows, None)
            if row is None:
                return
            if number > MAX_ROWS:
                raise ValueError(f"{self.path} has more than {MAX_ROWS:,} rows in a sheet.")
            if number >= start:
                yield row

    @contextlib.contextmanager
    def _workbook(self, formulas=False):
        # What is read at once: all text of all sheets.
        shared = sum(m.file_size for m in self._members() if "worksheets/" not in m.filename)
        check_fits(self.path, shared, "Use fewer rows at a time.")
        with open(self.path, "rb") as file:  # By its path, openpyxl would ask for a suffix.
            with self._errors_name_the_file():
                workbook = self._openpyxl.load_workbook(
                    file, read_only=True, data_only=not formulas, keep_links=False
                )
            with contextlib.closing(workbook):
                yield workbook

    def _chosen(self, workbook):
        with self._errors_name_the_file():
            sheets = {sheet.title: sheet for sheet in workbook.worksheets}
        if self.sheet is not None:
            if self.sheet not in sheets:
                raise ValueError(
                    f"{self.path} has no sheet {self.sheet!r}."
                    f"{did_you_mean(self.sheet, sheets)} Its sheets: {listing(sheets) or 'none'}."
                )
            return sheets[self.sheet]
        filled = {name: sheet for name, sheet in sheets.items() if self._is_filled(sheet)}
        if len(filled) != 1:
            if not filled:
                raise ValueError(f"{self.path} has no rows.")
            raise ValueError(
                f"{self.path} has {len(filled)} sheets: {listing(filled)}. Set data.sheet (--sheet)"
                " to one of them."
            )
        return next(iter(filled.values()))

    def _is_filled(self, sheet):
        return any(map(_width, itertools.islice(self._values(sheet, 1), _SEARCHED)))

    def _members(self):
        with open(self.path, "rb") as file:
            if file.read(4) == _OLD_OR_ENCRYPTED:
                raise ValueError(
                    f"{self.path} is encrypted, or an old workbook (.xls) under another name. Save "
                    "it as .xlsx without a password."
                )
        with errors_naming(self.path, "cannot be read as an Excel file"):
            with zipfile.ZipFile(self.path) as archive:
                return archive.infolist()

    @contextlib.contextmanager
    def _errors_name_the_file(self):
        with warnings.catch_warnings(action="ignore"):  # About styles and the like.
            with errors_naming(self.path, "cannot be read as an Excel file"):
                yield


def _numbered(rows):
    """The rows that hold anything, after their numbers from 0."""
    return ((number, row) for number, row in enumerate(rows) if any(map(_holds, row)))


def _holds(cell):
    return cell is not None and not (isinstance(cell, str) and not cell.strip())


def _places(row):
    """The places of the cells that hold anything."""
    return [place for place, cell in enumerate(row) if _holds(cell)]


def _width(row):
    """The number of cells up to the last one that holds anything."""
    places = _places(row)
    return places[-1] + 1 if places else 0


def _text(cell):
    return "" if cell is None else str(cell).strip()


def _letters(column):
    """The name of a column in spreadsheets, from 1: A to Z, AA and so on."""
    letters = ""
    while column:
        column, place = divmod(column - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters
