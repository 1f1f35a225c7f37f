"""Which characters a CSV file has between its cells and in its numbers."""

import csv
import io
import re

from sparse_keras.data.encodings import UTF8, encoding_of
from sparse_keras.data.reading import errors_naming, open_bytes

SEPARATORS = (",", ";", "\t", "|")
_ROWS = 200
_COMMA = re.compile(r"[+-]?\d*,(\d+)")
# The first line of a CSV file by which Excel knows the separator.
_SEP = re.compile(r"""\ufeff?"?sep=(.)"?[\r\n]*""", re.I)
_POINT = re.compile(r"[+-]?\d*\.\d+")


def declared_separator(path, encoding=UTF8):
    """Returns the separator that the first line of a CSV file declares, as Excel writes it.

    Args:
        path: The file.
        encoding: Its encoding.

    Returns:
        A character, such as ";" for a file that starts with `sep=;`; "" without such a line.
    """
    with errors_naming(path, "is damaged"), open_bytes(path) as file:
        start = file.read(64).decode(encoding_of(path, encoding), "ignore")
    match = _SEP.fullmatch(start[: start.find("\n") + 1].removesuffix("\n"))
    return match[1] if match else ""


def sniff_csv(path, encoding=UTF8):
    """Guesses a CSV file's separator and decimal point from its first rows.

    The separator is the one that the file declares, or else the one that cuts most rows into as
    many cells as the header, and of those the one that gives the most cells.

    Args:
        path: The file.
        encoding: Its encoding.

    Returns:
        `(separator, decimal)`: `(",", ".")` for a file that tells neither.
    """
    declared = declared_separator(path, encoding)
    with errors_naming(path, "is damaged"), open_bytes(path) as file:
        text = io.TextIOWrapper(
            file, encoding=encoding_of(path, encoding), errors="replace", newline=""
        )
        head = [line for _, line in zip(range(_ROWS), text, strict=False)][bool(declared) :]
    tables = {separator: _cells(head, separator) for separator in SEPARATORS}
    separator = declared or max(tables, key=lambda separator: _agreement(tables[separator]))
    if separator == ",":
        return separator, "."  # Else a number would be two cells.
    rows = tables[separator] if separator in tables else _cells(head, separator)
    cells = [cell.strip() for row in rows[1:] for cell in row]
    comma = [match[1] for cell in cells if (match := _COMMA.fullmatch(cell))]
    # Three digits behind the comma may be a thousand.
    comma = [digits for digits in comma if len(digits) != 3]
    point = [cell for cell in cells if _POINT.fullmatch(cell)]
    return separator, "," if len(comma) > len(point) else "."


def _cells(lines, separator):
    try:
        rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        return [row for row in rows if row]
    except csv.Error:
        return []


def _agreement(rows):
    """How well rows fit their header, if that has several cells: `(rows that fit, cells)`."""
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows), width) if width > 1 else (0, width)
