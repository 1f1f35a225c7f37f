"""Columns of a user's file of texts, row by row: CSV, TSV, JSON lines and Parquet.

Unlike the columns of tables, texts are taken as they are: "NA" is a text, and no column is scanned
for its type. So a file of any size is read once, in little memory.
"""

import csv
import itertools
import json
import re

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.encodings import decoded
from sparse_keras.data.reading import errors_naming, pyarrow_for, suffix_of

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLE_SUFFIXES = (*_DELIMITERS, ".jsonl", ".parquet")
_LONGEST_CELL = 2**31 - 1  # characters; Python's default is 131,072
_BATCH = 1024  # rows
_DECLARED = re.compile(r'"?sep=([^"\r\n])"?\n', re.IGNORECASE)


def is_table(path):
    """Whether a file has columns, as its name says."""
    return suffix_of(path) in TABLE_SUFFIXES


def has_separator(path):
    """Whether a file has cells with a separator between them, as its name says."""
    return suffix_of(path) in _DELIMITERS


def iter_rows(path, columns, encoding="utf-8", errors=None, separator=None, copied=()):
    """Yields the values of some columns of each row, each a string, or None if it is missing.

    Args:
        path: A file whose name ends in one of `TABLE_SUFFIXES`, or in that and ".gz".
        columns: Dict from the key of the config that names a column, such as "data.text", to the
            column.
        encoding: Encoding of the file, where it has no byte order mark. Not for Parquet.
        errors: As of `decoded`.
        separator: The character between the cells of a CSV file. None: that of the suffix.
        copied: The keys of `columns` that may hold other values, too, such as numbers and dates,
            which become text. They are to be written again.

    Yields:
        Lists of the values of the columns.

    Raises:
        ValueError: If the file is damaged, lacks a column, or holds other values than texts, whole
            numbers and booleans in one that is not `copied`.
    """
    suffix = suffix_of(path)
    if suffix == ".parquet":
        yield from _parquet_rows(path, columns, copied)
    elif suffix == ".jsonl":
        yield from _json_rows(path, columns, encoding, errors, copied)
    else:
        separator = separator or _DELIMITERS[suffix]
        yield from _csv_rows(path, columns, encoding, errors, separator)


def iter_lines(path, encoding="utf-8", errors=None):
    """Yields the lines of a file, without their ends."""
    rest = ""
    for part in decoded(path, encoding, errors):
        *lines, rest = (rest + part).split("\n")
        yield from lines
    if rest:
        yield rest


def _csv_rows(path, columns, encoding, errors, separator):
    csv.field_size_limit(_LONGEST_CELL)
    lines = (f"{line}\n" for line in iter_lines(path, encoding, errors))
    first, skipped = next(lines, ""), 0
    if declared := _DECLARED.fullmatch(first):  # As Excel writes it: no row.
        separator, skipped = declared[1], 1
    else:
        lines = itertools.chain([first], lines)
    rows = csv.reader(lines, delimiter=separator, strict=True)
    start = 1 + skipped
    try:
        header = [name.strip() for name in next(rows, ())]
        _refuse_unknown(path, columns, header, _hint(header, separator))
        positions = [header.index(column) for column in columns.values()]
        start = rows.line_num + 1 + skipped
        for row in rows:
            if row and len(row) != len(header):
                raise ValueError(
                    f"{path}, line {start}: expected {len(header)} cells, as in the first line. "
                    f"Received: {len(row)}. A text that holds {separator!r} needs quotes around "
                    "it; in quotes, write two for one."
                )
            start = rows.line_num + 1 + skipped
            if row:  # A blank line is no row.
                yield [row[position] or None for position in positions]
    except csv.Error as error:
        raise ValueError(
            f"{path}, the row that begins in line {start}, cannot be read as CSV: {error}. A text "
            "that holds a quote needs quotes around it; in quotes, write two for one."
        ) from None


def _hint(header, separator):
    """A sentence if the first line seems to have another separator."""
    if len(header) == 1:
        for other in ("\t", ";", ",", "|"):
            if other in header[0] and other != separator:
                return (
                    f" To separate cells by {other!r}, set data.separator (--separator on the "
                    "command line)."
                )
    return ""


def _json_rows(path, columns, encoding, errors, copied):
    names, lacking = {}, dict.fromkeys(columns.values())
    for number, line in enumerate(iter_lines(path, encoding, errors), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where} is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise ValueError(
                f'{where}: expected an object such as {{"text": "..."}}. Received: {line[:40]}.'
            )
        for name in lacking.keys() & row.keys():
            del lacking[name]
        if lacking:
            names.update(dict.fromkeys(row))
        yield [
            _text(row.get(column), where, column, key in copied) for key, column in columns.items()
        ]
    if lacking:
        _refuse_unknown(path, columns, list(names))


def _distinct(pairs):
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in an object")
    return row


def _text(value, where, column, is_copied=False):
    """The value of a cell as text."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:  # Half of a pair of surrogates is JSON, and no text.
            raise ValueError(f"{where}: {column!r} is no text: {error}.") from None
        return value or None
    if value is None:
        return None
    if isinstance(value, (bool, int)):
        return str(value).lower()
    if is_copied:
        return json.dumps(value, ensure_ascii=False, default=str) if _is_json(value) else str(value)
    raise ValueError(
        f"{where}: expected text, a whole number, true or false for {column!r}. Received: "
        f"{json.dumps(value)[:40]}."
    )


def _is_json(value):
    return isinstance(value, (float, list, dict))


def _parquet_rows(path, columns, copied):
    arrow = pyarrow_for(path)
    with errors_naming(path, "cannot be read as Parquet"):
        file = arrow.parquet.ParquetFile(path)
    with file:
        schema = file.schema_arrow
        _refuse_unknown(path, columns, schema.names)
        for key, column in columns.items():
            if key in copied:
                continue
            _check_type(arrow.types, schema.field(column).type, path, key, column)
        wanted = list(dict.fromkeys(columns.values()))
        with errors_naming(path, "cannot be read as Parquet"):
            batches = file.iter_batches(batch_size=_BATCH, columns=wanted)
        while True:
            with errors_naming(path, "cannot be read as Parquet"):
                batch = next(batches, None)
                if batch is None:
                    return
                values = [batch.column(column).to_pylist() for column in columns.values()]
            for row in zip(*values, strict=True):
                yield [
                    _text(value, path, column, key in copied)
                    for value, (key, column) in zip(row, columns.items(), strict=True)
                ]


def _check_type(types, type, path, key, column):
    inner = type.value_type if types.is_dictionary(type) else type
    fits = (types.is_string, types.is_large_string, types.is_integer, types.is_boolean)
    if not any(fit(inner) for fit in (*fits, types.is_null)):
        raise ValueError(
            f"{path}: {key} is {column!r}, whose values are {type}. Expected texts, whole numbers "
            "or booleans."
        )


def _refuse_unknown(path, columns, names, hint=""):
    for key, column in columns.items():
        if column not in names:
            raise ValueError(
                f"{path} has no column {column!r}, which {key} names.{did_you_mean(column, names)} "
                f"Its columns: {listing(names) or 'none'}.{hint}"
            )
        if names.count(column) > 1:
            raise ValueError(
                f"{path} has {names.count(column)} columns {column!r}, which {key} names. Give "
                "them distinct names."
            )
