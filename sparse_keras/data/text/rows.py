"""Columns of a user's file of texts, row by row: CSV, TSV, JSON lines and Parquet.

Unlike the columns of tables, texts are taken as they are: "NA" is a text, and no column is scanned
for its type. So a file of any size is read once, in little memory.
"""

import csv
import json

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.encodings import decoded
from sparse_keras.data.reading import errors_naming, pyarrow_for, suffix_of

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLE_SUFFIXES = (*_DELIMITERS, ".jsonl", ".parquet")
_LONGEST_CELL = 2**31 - 1  # characters; Python's default is 131,072
_BATCH = 1024  # rows


def is_table(path):
    """Whether a file has columns, as its name says."""
    return suffix_of(path) in TABLE_SUFFIXES


def iter_rows(path, columns, encoding="utf-8", errors="strict", separator=None):
    """Yields the values of some columns of each row, each a string, or None if it is missing.

    Args:
        path: A file whose name ends in one of `TABLE_SUFFIXES`, or in that and ".gz".
        columns: Dict from the key of the config that names a column, such as "data.text", to the
            column.
        encoding: Encoding of the file, where it has no byte order mark. Not for Parquet.
        errors: What to do with bytes that are not in the encoding: "strict" or "replace".
        separator: The character between the cells of a CSV file. None: that of the suffix.

    Yields:
        Lists of the values of the columns.

    Raises:
        ValueError: If the file is damaged, lacks a column, or holds other values than texts, whole
            numbers and booleans in it.
    """
    suffix = suffix_of(path)
    if suffix == ".parquet":
        yield from _parquet_rows(path, columns)
    elif suffix == ".jsonl":
        yield from _json_rows(path, columns, encoding, errors)
    else:
        separator = separator or _DELIMITERS[suffix]
        yield from _csv_rows(path, columns, encoding, errors, separator)


def iter_lines(path, encoding="utf-8", errors="strict"):
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
    rows = csv.reader(lines, delimiter=separator, strict=True)
    start = 1
    try:
        header = [name.strip() for name in next(rows, ())]
        _refuse_unknown(path, columns, header, _hint(header, separator))
        positions = [header.index(column) for column in columns.values()]
        start = rows.line_num + 1
        for row in rows:
            if row and len(row) != len(header):
                raise ValueError(
                    f"{path}, line {start}: expected {len(header)} cells, as in the first line. "
                    f"Received: {len(row)}. A text that holds {separator!r} needs quotes around "
                    "it; in quotes, write two for one."
                )
            start = rows.line_num + 1
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
                return f" To separate cells by {other!r}, set data.separator."
    return ""


def _json_rows(path, columns, encoding, errors):
    names, lacking = {}, dict.fromkeys(columns.values())
    for number, line in enumerate(iter_lines(path, encoding, errors), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
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
        yield [_text(row.get(column), where, column) for column in columns.values()]
    if lacking:
        _refuse_unknown(path, columns, list(names))


def _text(value, where, column):
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
    raise ValueError(
        f"{where}: expected text, a whole number, true or false for {column!r}. Received: "
        f"{json.dumps(value)[:40]}."
    )


def _parquet_rows(path, columns):
    arrow = pyarrow_for(path)
    with errors_naming(path, "cannot be read as Parquet"):
        file = arrow.parquet.ParquetFile(path)
    with file:
        schema = file.schema_arrow
        _refuse_unknown(path, columns, schema.names)
        for key, column in columns.items():
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
                    _text(value, path, column)
                    for value, column in zip(row, columns.values(), strict=True)
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
