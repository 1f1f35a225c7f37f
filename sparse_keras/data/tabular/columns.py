"""What a raw value means: the one place that says which values are missing or equal.

Readers, fitting, encoding and predicting from a raw row all pass through here, so a value
means the same in training and afterwards, whatever container or type it arrives in.
"""

import re
import unicodedata
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.missing import (
    ALWAYS_MISSING,
    missing_words,
    numbers_of,
)
from sparse_keras.data.tabular.native import to_pandas

# The attribute of a DataFrame whose index says which rows of a file it has.
ROWS_OF_FILE = "rows_of_file"
# Whole numbers as files hold them among other numbers: "1.0".
_WHOLE = re.compile(r"([-+]?[0-9]+)\.0+")
_BOOLS = {"true": 1.0, "false": 0.0}


def as_frame(table, names=None):
    """Returns the columns `names` of a raw table as a DataFrame.

    Args:
        table: A DataFrame of any library, a dict of equally long columns, or a dict of scalars (one
            row).
        names: The columns that must be there; other columns are ignored. None for all columns.

    Returns:
        A pandas DataFrame with the columns `names`, in that order. Its index counts the rows from
        0, or says which rows of a file they are.

    Raises:
        ValueError: If columns are missing, doubled, or of different lengths.
    """
    table = to_pandas(table)
    if not isinstance(table, (pd.DataFrame, Mapping)):
        raise ValueError(
            "Expected a DataFrame, a dict of columns or a dict of scalars (one row). "
            f"Received: {type(table).__name__}. For a list of rows, pass pandas.DataFrame(rows)."
        )
    received = list(table.keys())
    names = received if names is None else names
    missing = [name for name in names if name not in table]
    if missing:
        hints = "".join(did_you_mean(name, received) for name in missing[:3])
        raise ValueError(
            f"{len(missing)} of {len(names)} needed columns are missing: "
            f"{listing(missing, limit=len(missing))}.{hints} "
            f"Received columns: {listing(received) or 'none'}."
        )
    if isinstance(table, pd.DataFrame):
        doubled = table.columns[table.columns.duplicated()]
        doubled = [name for name in names if name in doubled]
        if doubled:
            raise ValueError(f"Column names must be distinct. Received twice: {listing(doubled)}.")
        frame = table[list(names)]
        # The index of a part of a file says where its rows are in it, which messages show.
        if isinstance(frame.index, pd.RangeIndex) or frame.attrs.get(ROWS_OF_FILE):
            return frame
        return frame.reset_index(drop=True)

    columns = {name: table[name] for name in names}
    scalars = [name for name, values in columns.items() if _is_scalar(values)]
    if scalars and len(scalars) < len(columns):
        other = next(name for name in columns if name not in scalars)
        raise ValueError(
            "A dict must hold either scalars (one row) or columns (many rows). Received a scalar "
            f"for {scalars[0]!r} and a column for {other!r}."
        )
    if scalars:
        columns = {name: [value] for name, value in columns.items()}
    columns = {name: _as_series(values) for name, values in columns.items()}
    lengths = {name: len(series) for name, series in columns.items()}
    if len(set(lengths.values())) > 1:
        shortest, longest = min(lengths, key=lengths.get), max(lengths, key=lengths.get)
        raise ValueError(
            f"Columns must be equally long. Received {lengths[shortest]} values for {shortest!r} "
            f"and {lengths[longest]} for {longest!r}."
        )
    return pd.DataFrame(columns)


def is_categorical(series):
    """Whether a column is one of categories: text, bool, category; numbers are numeric."""
    return pd.api.types.is_bool_dtype(series.dtype) or not pd.api.types.is_numeric_dtype(
        series.dtype
    )


def numeric_values(series, missing=(), number_format=None):
    """Returns a column as float64 with NaN where missing.

    Numbers written as text (`"39"`, as in a raw row read from a form) are read as numbers, and true
    and false as 1 and 0.

    Args:
        series: The column.
        missing: Words and numbers that mean "missing" beside the usual words.
        number_format: The `NumberFormat` of numbers that are text, None for that of Python.

    Raises:
        ValueError: If a value is neither a number nor missing.
    """
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series):
        values = series.to_numpy(dtype="float64", na_value=np.nan)
    elif number_format is not None:
        values = _numbers_in_format(series, number_format, missing_words(missing))
    else:
        values = _numbers_of_text(series, missing_words(missing))
    if numbers := numbers_of(missing):
        values = np.where(np.isin(values, numbers), np.nan, values)
    return values


def _numbers_of_text(series, words):
    if is_text(series):  # At once, unless a value needs a closer look.
        text = series.astype("str").str.strip()
        text = text.mask(text.isin(words))
        numbers = pd.to_numeric(text, errors="coerce")
        if (numbers.isna() == text.isna()).all():
            return numbers.to_numpy(dtype="float64", na_value=np.nan)
    values, wrong = np.empty(len(series), "float64"), []
    for row, value in enumerate(series):
        try:
            values[row] = number_of(value, words)
        except ValueError:
            wrong.append(row)
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ValueError(
            f"Column {series.name!r} must hold numbers. Received: {series.iloc[wrong[0]]!r} in row "
            f"{row_number(series, wrong[0])}{more}."
        )
    return values


def _numbers_in_format(series, number_format, words):
    def number(value):
        try:
            return number_of(value, words, number_format)
        except ValueError:
            return np.inf  # Which no text of such a format means.

    values = for_each_category(series, number, "float64")
    refuse_values(series, np.isinf(values), f"numbers such as {number_format}")
    return values


def refuse_values(series, wrong, expected):
    """Raises a ValueError that names the first wrong value of a column and counts the others.

    Args:
        series: The column.
        wrong: bool `[N]`. Nothing is raised if all are False.
        expected: What the column must hold, in words.
    """
    if wrong.any():
        first, more = int(wrong.argmax()), int(wrong.sum()) - 1
        raise ValueError(
            f"Column {series.name!r} must hold {expected}. Received: {series.iloc[first]!r} in row "
            f"{row_number(series, first)}{f', and {more:,} more' if more else ''}."
        )


def all_errors(errors: Sequence[str]) -> str:
    """Returns a message about all columns that cannot be used."""
    if len(errors) == 1:
        return errors[0]
    listed = "".join(f"\n  - {error}" for error in errors)
    return f"{len(errors)} columns cannot be used as they are:{listed}"


def number_of(value, words, number_format=None):
    """Returns a raw value as a float, NaN where missing.

    Args:
        value: The value.
        words: The text that means "missing".
        number_format: The `NumberFormat` of text, None for that of Python.

    Raises:
        ValueError: If it is no number.
    """
    if isinstance(value, str):
        value = value.strip()
        if value in words:
            return np.nan
        if number_format is not None:
            return number_format.number(value)
        value = _BOOLS.get(value.lower(), value.replace("\u2212", "-"))  # A minus sign.
        if isinstance(value, str) and "_" in value:  # In Python's numbers, not in those of tables.
            raise ValueError(f"Expected a number. Received: {value!r}.")
    elif _is_scalar(value) and pd.isna(value):
        return np.nan
    try:
        return float(value)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"Expected a number. Received: {value!r}.") from error


def is_text(series):
    """Whether all values of a column that are there are strings."""
    return pd.api.types.is_string_dtype(series.dtype) and (
        series.dtype != object or pd.api.types.infer_dtype(series, skipna=True) == "string"
    )


def category_keys(series):
    """Returns a column as an object array of strings, None where missing.

    Two values are the same category when their keys are equal: text without surrounding
    blanks, in Unicode's composed form; whole numbers as integers, so that 1, 1.0 and "1" agree
    (pandas turns a column of integers into floats as soon as one is missing); true and false in any
    case.
    """
    return for_each_category(series, category_key, object)


def for_each_category(series, function, dtype):
    """Applies a function to each distinct value of a column, for speed, and None where missing.

    pandas holds 1, 1.0 and True to be equal, so columns that mix types go value by value: a row
    must not depend on the rows beside it.

    Args:
        series: The column.
        function: Function of a raw value.
        dtype: The type of what it returns.
    """
    if series.dtype == object and not is_text(series):
        distinct, positions = {}, np.empty(len(series), "int64")
        for row, value in enumerate(series):
            key = (type(value), value) if isinstance(value, Hashable) else (None, str(value))
            positions[row] = distinct.setdefault(key, len(distinct))
        values = [value for _, value in distinct]
    else:
        positions, values = pd.factorize(series)
        values = [*values, None]  # A missing value has position -1.
    results = np.empty(len(values), dtype)
    results[:] = [function(value) for value in values]
    return results[positions]


def row_number(series, position):
    """What messages call a row: the first row of data is 1, in its file where it has one."""
    label = series.index[position]
    return int(label if isinstance(label, (int, np.integer)) else position) + 1


def category_key(value):
    """Returns the key of a raw value; see `category_keys`."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str) and _is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    text = str(value).strip()
    if text in ALWAYS_MISSING:
        return None
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.lower() if text.lower() in ("true", "false") else text


def _is_scalar(value):
    return pd.api.types.is_scalar(value) or (isinstance(value, np.ndarray) and value.ndim == 0)


def _as_series(values):
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    if isinstance(values, np.ndarray):
        return pd.Series(values)
    return pd.Series(list(values), dtype=object)  # object: NumPy would turn [1, "a"] into text
