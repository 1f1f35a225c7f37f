"""Columns that would be misread without notice.

A column of text becomes categories. That is wrong for numbers that are not spelt as numbers, for
dates, and for text that differs in every row: each value would become a category that no later row
has.
"""

import re
from typing import NamedTuple

import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.columns import MISSING_STRINGS

# Of the distinct values of a column: the part that must fit a pattern, so that a few odd cells
# do not hide what the others are; and how many are looked at.
_NEARLY_ALL = 0.95
_LOOKED_AT = 10_000
# Text is an identifier or free text where more than this part of many rows are distinct.
_MOSTLY_DISTINCT = 0.9
_MANY_ROWS = 50

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


_ADVICE = {
    "decimal comma": "Set data.decimal: ',' (CSV, with another separator), or write points.",
    "text numbers": "Force numbers in data.columns: {{{name}: numeric}}, or check data.decimal.",
    "signs": "Write plain numbers into the file.",
    "thousands": "Write plain numbers into the file.",
    "dates": "Write numbers into the file, such as the year or the days since.",
    "stray words": "Correct these cells, or leave them empty for missing.",
    "distinct text": "Nothing can be learned from it.",
}
# A target of distinct text is recognised by its number of classes.
MISREAD_TARGETS = ("decimal comma", "signs", "thousands", "dates")


class Misreading(NamedTuple):
    """What a column holds instead of categories.

    Args:
        kind: One of "dates", "signs", "decimal comma", "thousands", "text numbers",
            "stray words", "distinct text".
        what: The column's values in words, after "holds".
    """

    kind: str
    what: str

    def advice(self, name):
        """What to do about it, in a sentence.

        Args:
            name: The column.
        """
        return _ADVICE[self.kind].format(name=name)


def misreading(series):
    """Returns the `Misreading` of a column of text or dates, or None for any other column.

    A column of pandas' dtype "category" is categorical on purpose.
    """
    if pd.api.types.is_datetime64_any_dtype(series) or pd.api.types.is_timedelta64_dtype(series):
        return Misreading("dates", f"dates or times, such as {str(series.max())!r}")
    if pd.api.types.is_numeric_dtype(series) or series.dtype == "category":
        return None
    text = series.dropna().astype(str).str.strip()
    text = text[~text.isin(MISSING_STRINGS)]
    distinct = text.unique()
    looked_at = list(distinct[:_LOOKED_AT])
    found = _dates(looked_at) or misspelt_numbers(looked_at)
    if found:
        return found
    if stray := stray_words(distinct):
        return Misreading("stray words", stray)
    if len(text) > _MANY_ROWS and len(distinct) > _MOSTLY_DISTINCT * len(text):
        return Misreading(
            "distinct text",
            f"identifiers or free text: {len(distinct)} distinct values in {len(text)} rows, such "
            f"as {distinct[0][:40]!r}",
        )
    return None


def misspelt_numbers(values):
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


def stray_words(keys):
    """Names the few texts that are not numbers while all others are, or returns ""."""
    words = [key for key in keys if not _is_number(key)]
    if len(keys) > 50 and 0 < len(words) <= 0.05 * len(keys):
        return f"{len(keys) - len(words)} distinct numbers and a few other values: {listing(words)}"
    return ""


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
