"""Columns that would be misread without notice.

A column of text becomes categories. That is wrong for numbers that are not spelt as numbers, for
dates, and for text that differs in every row: each value would become a category that no later row
has.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from sparse_keras._internal.yaml_text import yaml_scalar
from sparse_keras.data.tabular.missing import MISSING_STRINGS

# Of the distinct values of a column: the part that must fit a pattern, so that a few odd cells
# do not hide what the others are; and how many are looked at.
_NEARLY_ALL = 0.95
_LOOKED_AT = 10_000
# Text is an identifier or free text where more than this part of many rows are distinct.
_MOSTLY_DISTINCT = 0.9
_MANY_ROWS = 50
# Words are strays among numbers if they are a small part of the rows, or of the distinct values;
# and if there are several distinct numbers, since of "1", "2" and "K" each may be a category.
_FEW = 0.05
_SEVERAL = 5

_SIGNS = re.compile(r"[$€£¥₹%]|\b(?:USD|EUR|GBP|CHF|JPY)\b")
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d*,\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})+(?:[.,]\d+)?")
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"\d{4}"
_TIME = r"(?:[T ]+\d{1,2}:\d{2}.*)?"
_DATES = [
    re.compile(pattern + _TIME)
    for separator in ("-", "/", r"\.")
    for pattern in (
        separator.join((_YEAR, _MONTH, _DAY)),
        separator.join((_DAY, _MONTH, rf"(?:{_YEAR}|\d\d)")),
        separator.join((_MONTH, _DAY, rf"(?:{_YEAR}|\d\d)")),
    )
]


# What to do about a column: by the keys of a config, and in Python.
_ADVICE = {
    "decimal comma": (
        "Set data.decimal: ',' (CSV, with another separator), or write points.",
        "Write decimal points.",
    ),
    "text numbers": (
        "Force numbers in data.columns: {{{name}: numeric}}, or check data.decimal.",
        "Convert it with pandas.to_numeric.",
    ),
    "signs": ("Write plain numbers into the file.", "Remove the signs."),
    "thousands": ("Write plain numbers into the file.", "Remove the separators."),
    "dates": (
        "Write numbers into the file, such as the year or the days since.",
        "Convert it to numbers, such as the year or the days since.",
    ),
    "stray words": (
        "If they mean a missing value, set data.missing: {{{name}: [{words}]}}. Otherwise correct "
        "these cells.",
        "Replace these values by NaN for missing, or correct them.",
    ),
    "distinct text": ("Nothing can be learned from it.", "Nothing can be learned from it."),
    "objects": ("Write one value in each cell.", "Write one value in each cell."),
}
# A target of distinct text is recognised by its number of classes, and one of numbers as text may
# be one of classes.
MISREAD_TARGETS = ("decimal comma", "signs", "thousands", "dates", "stray words", "objects")


class Misreading(NamedTuple):
    """What a column holds instead of categories.

    Args:
        kind: One of "dates", "signs", "decimal comma", "thousands", "text numbers",
            "stray words", "distinct text", "objects".
        what: The column's values in words, after "holds".
        words: For "stray words", the words.
    """

    kind: str
    what: str
    words: tuple = ()

    def advice(self, name):
        """What to do about it in a config, in a sentence.

        Args:
            name: The column.
        """
        words = ", ".join(map(yaml_scalar, self.words))
        return _ADVICE[self.kind][0].format(name=yaml_scalar(name), words=words)

    @property
    def remedy(self):
        """What to do about it in Python, in a sentence."""
        return _ADVICE[self.kind][1]


def misreading(series):
    """Returns the `Misreading` of a column of text or dates, or None for any other column.

    A column of pandas' dtype "category" is categorical on purpose.
    """
    if pd.api.types.is_datetime64_any_dtype(series) or pd.api.types.is_timedelta64_dtype(series):
        return Misreading("dates", f"dates or times, such as {str(series.max())!r}")
    if pd.api.types.is_numeric_dtype(series) or series.dtype == "category":
        return None
    if isinstance(series.dtype, pd.PeriodDtype):
        return Misreading("dates", f"dates or times, such as {str(series.max())!r}")
    if series.dtype == object:
        for value in series.iloc[:_LOOKED_AT]:
            if not pd.api.types.is_scalar(value):
                return Misreading("objects", f"a {type(value).__name__} in a cell")
    counts = series.value_counts(sort=False)
    counts = counts.groupby(counts.index.astype(str).str.strip(), sort=False).sum()
    counts = counts[~counts.index.isin(MISSING_STRINGS)]
    looked_at = list(counts.index[:_LOOKED_AT])
    found = _dates(looked_at) or _misspelt_numbers(looked_at) or _stray_words(counts)
    if found:
        return found
    rows = counts.sum()
    if rows > _MANY_ROWS and len(counts) > _MOSTLY_DISTINCT * rows:
        return Misreading(
            "distinct text",
            f"identifiers or free text: {len(counts)} distinct values in {rows} rows, such as "
            f"{counts.index[0][:40]!r}",
        )
    return None


def _misspelt_numbers(values):
    """Returns the `Misreading` of distinct texts that people read as numbers, or None."""
    bare = [_SIGNS.sub("", value).strip() for value in values]
    thousands = [bool(_THOUSANDS.fullmatch(value)) for value in bare]
    comma = [bool(_COMMA.fullmatch(value)) for value in bare]
    plain = [bool(_PLAIN.fullmatch(value)) for value in bare]
    if len(values) < 3 or sum(map(any, zip(thousands, comma, plain, strict=True))) < (
        _NEARLY_ALL * len(values)
    ):
        return None
    signed = [value for value, unsigned in zip(values, bare, strict=True) if value != unsigned]
    # "1,234" may be either, "1,5" may not; "1.234" alone is a plain number.
    decimals = [v for v, c, t in zip(values, comma, thousands, strict=True) if c and not t]
    grouped = [v for v, t, p in zip(values, thousands, plain, strict=True) if t and not p]
    fractions = [value for value in values if "." in value]
    if signed:
        return Misreading(
            "signs", f"numbers with a currency or percent sign, such as {signed[0]!r}"
        )
    if decimals and not any("." in value for value in grouped):
        return Misreading("decimal comma", f"numbers with a decimal comma, such as {decimals[0]!r}")
    if grouped:
        return Misreading(
            "thousands", f"numbers with separators between thousands, such as {grouped[0]!r}"
        )
    if all(plain) and fractions:
        return Misreading("text numbers", f"numbers stored as text, such as {fractions[0]!r}")
    return None


def _stray_words(counts):
    """Finds words among numbers: in few rows, or few beside many distinct numbers.

    Args:
        counts: Series of the number of rows of each distinct text.
    """
    is_number = np.array([_is_number(key) for key in counts.index], bool)
    words, numbers = counts[~is_number], counts[is_number]
    if not len(words) or len(numbers) < _SEVERAL:
        return None
    few_rows = words.sum() <= _FEW * counts.sum()
    few_words = len(counts) > _MANY_ROWS and len(words) <= _FEW * len(counts)
    if not (few_rows or few_words):
        return None
    shown = ", ".join(
        f"{word!r} in {rows} row{'s' * (rows != 1)}" for word, rows in words[:8].items()
    )
    more = f" and {len(words) - 8} more" if len(words) > 8 else ""
    return Misreading(
        "stray words", f"{len(numbers)} distinct numbers, and {shown}{more}", tuple(words.index)
    )


def _dates(values):
    for pattern in _DATES:
        fitting = sum(bool(pattern.fullmatch(value)) for value in values)
        if fitting and fitting >= _NEARLY_ALL * len(values):
            example = next(value for value in values if pattern.fullmatch(value))
            return Misreading("dates", f"dates, such as {example!r}")
    return None


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
