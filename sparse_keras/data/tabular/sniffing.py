"""Which characters a CSV file has between its cells and in its numbers."""

import csv
import io
import re

from sparse_keras.data.tabular.reading import errors_naming, open_bytes

SEPARATORS = (",", ";", "\t", "|")
_ROWS = 200
_COMMA = re.compile(r"[+-]?\d*,(\d+)")
_POINT = re.compile(r"[+-]?\d*\.\d+")


def sniff_csv(path):
    """Guesses a CSV file's separator and decimal point from its first rows.

    The separator is the one that cuts most rows into as many cells as the header, and of those
    the one that gives the most cells.

    Args:
        path: The file.

    Returns:
        `(separator, decimal)`: `(",", ".")` for a file that tells neither.
    """
    with errors_naming(path, "is damaged"), open_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        head = [line for _, line in zip(range(_ROWS), text, strict=False)]
    tables = {separator: _cells(head, separator) for separator in SEPARATORS}
    separator = max(tables, key=lambda separator: _agreement(tables[separator]))
    if separator == ",":
        return separator, "."  # Else a number would be two cells.
    cells = [cell.strip() for row in tables[separator][1:] for cell in row]
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
