"""Columns that would be misread without notice.

A column of text becomes categories. That is wrong for numbers that are not spelt as numbers, for
dates, and for text that differs in every row: each value would become a category that no later row
has.
"""

import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras._internal.yaml_text import yaml_flow
from sparse_keras.data.tabular.dates import described, guess_formats, is_date_dtype, seconds_of
from sparse_keras.data.tabular.missing import MISSING_STRINGS
from sparse_keras.data.tabular.number_formats import (
    NumberFormat,
    currencies_of,
    guess_number_format,
    scales_of,
)

# How many of the distinct values of a column are looked at.
_LOOKED_AT = 10_000
# Text is an identifier or free text where more than this part of many rows are distinct.
_MOSTLY_DISTINCT = 0.9
_MANY_ROWS = 50
# Words are strays among numbers if they are a small part of the rows, or of the distinct values;
# and if there are several distinct numbers, since of "1", "2" and "K" each may be a category.
_FEW = 0.05
_SEVERAL = 5
# Words in a text; shorter ones are names or codes.
_FREE_TEXT_WORDS = 3

# Chinese, Japanese and Thai are written without blanks between words.
_UNSPACED_RANGES = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_UNSPACED = f"[{_UNSPACED_RANGES}]"
_WORD = rf"{_UNSPACED}|[^\s{_UNSPACED_RANGES}]+"

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")

# A target of distinct text is recognised by its number of classes, and one of numbers as text may
# be one of classes.
MISREAD_TARGETS = (
    "dates", "durations", "numbers", "several currencies", "several units", "stray words",
    "objects",
)  # fmt: skip


class Misreading(NamedTuple):
    """What a column holds instead of categories.

    Args:
        kind: "dates", "durations", "numbers" (written with a unit or separators), "several
            currencies", "several units", "text numbers", "stray words" (among numbers), "free
            text", "identifiers" or "objects".
        what: The column's values in words, after "holds".
        setting: The entry in `data.columns` that says so, None if there is none.
        words: Those among dates or numbers that are none.
        reason: Why `setting` is right, for a table that shows an example beside it.
    """

    kind: str
    what: str
    setting: str | dict | None = None
    words: tuple = ()
    reason: str = ""

    def advice(self, name):
        """What to do about it in a config, in sentences.

        Args:
            name: The column.
        """
        sentences = []
        if self.words:
            missing = yaml_flow({name: list(self.words)})
            sentences.append(f"If they mean a missing value, set data.missing: {missing}.")
        if self.setting is not None:
            sentences.append(f"Set data.columns: {yaml_flow({name: self.setting})}.")
        return " ".join(sentences) or _OTHER_ADVICE[self.kind]

    def remedy(self, name):
        """What to do about it in Python, in sentences.

        Args:
            name: The column.
        """
        sentences = []
        if self.words:
            sentences.append(
                "If they mean a missing value, replace them by NaN, or pass "
                f"missing={ {name: list(self.words)} } to an estimator."
            )
        if self.setting is not None:
            sentences.append(f"Pass columns={ {name: self.setting} }.")
        return " ".join(sentences) or _OTHER_ADVICE[self.kind]


def target_advice(found: Misreading, name: str) -> str:
    """What to do about a target that is neither numbers nor classes, in sentences."""
    return _TARGET_ADVICE.get(found.kind) or found.advice(name)


_TARGET_ADVICE = {
    "dates": "Write numbers into the file, such as the days since.",
    "durations": "Write numbers into the file, such as days.",
    "objects": "Write one value in each cell.",
}
_OTHER_ADVICE = {
    "durations": "Convert them to numbers, such as days.",
    "several currencies": "Convert them to one currency.",
    "several units": "Convert them to one unit, or list the spellings of one as `unit`.",
    "objects": "Write one value in each cell.",
}


def misreading(series):
    """Returns the `Misreading` of a column of text or dates, or None for any other column.

    A column of pandas' dtype "category" is categorical on purpose.
    """
    if pd.api.types.is_timedelta64_dtype(series):
        return Misreading("durations", f"durations, such as {str(series.max())!r}")
    if is_date_dtype(series):
        return Misreading(
            "dates", f"dates or times, such as {str(series.dropna().max())!r}", "date"
        )
    if pd.api.types.is_numeric_dtype(series) or series.dtype == "category":
        return None
    if series.dtype == object:
        for value in series.iloc[:_LOOKED_AT]:
            if not pd.api.types.is_scalar(value):
                return Misreading("objects", f"a {type(value).__name__} in a cell")
    counts = series.value_counts(sort=False)
    counts = counts.groupby(counts.index.astype(str).str.strip(), sort=False).sum()
    counts = counts[~counts.index.isin(MISSING_STRINGS)]
    looked_at = list(counts.index[:_LOOKED_AT])
    return (
        _dates(looked_at, counts)
        or _written_numbers(looked_at, counts)
        or _stray_words(counts)
        or _distinct_text(counts)
    )


def _dates(values, counts):
    found = guess_formats(pd.Series(values, dtype=object))
    if found is None:
        return None
    example = next(value for value in values if value not in found.others)
    others = _others(found.others, counts)
    doubt = _future(values, found)
    if found.ambiguous:
        doubt += f", in which day and month cannot be told apart ({found.ambiguous} fits as well)"
    formats = found.formats if len(found.formats) > 1 else found.formats[0]
    return Misreading(
        "dates",
        f"dates, such as {example!r}{doubt}{others}",
        {"type": "date", "format": formats},
        found.others,
        f"dates {described(found.formats)}{doubt}{others}",
    )


def _future(values, found):
    """What is odd about dates with years of two digits that are in the future; "" for nothing."""
    if not any("%y" in format for format in found.formats):
        return ""
    dates = pd.Series([value for value in values if value not in found.others])
    future = dates[seconds_of(dates, found.formats) > pd.Timestamp.now().timestamp()]
    if future.empty:
        return ""
    return (
        f", of which {len(future):,} are in the future, such as {future.iloc[0]!r} (years from 00 "
        "to 68 are taken for 2000 to 2068; write four digits if they are not)"
    )


def _written_numbers(values, counts):
    found = guess_number_format(values)
    if found is None and len(values) >= 3:
        currencies = currencies_of(values)
        if len(currencies) > 1:
            what = f"numbers with several currencies, {listing(currencies)}"
            return Misreading("several currencies", what)
        if scales := scales_of(values):
            shown = [unit or "none" for unit in scales]
            what = f"numbers with several units, {listing(shown, limit=8)}, such as {values[0]!r}"
            return Misreading("several units", what)
    if found is None:
        if len(values) < 3 or not all(map(_PLAIN.fullmatch, values)):
            return None
        fractions = [value for value in values if "." in value]
        return fractions and Misreading(
            "text numbers",
            f"numbers stored as text, such as {fractions[0]!r}",
            "numeric",
            reason="numbers stored as text",
        )
    format, others = found.format, found.others
    example = next(value for value in values if value not in others and not _PLAIN.fullmatch(value))
    shown = _doubts(found, counts) + _others(others, counts)
    return Misreading(
        "numbers",
        f"numbers such as {example!r}{shown}",
        number_setting(format),
        others,
        f"numbers in the format {format}{shown}",
    )


def _doubts(found, counts):
    """Why numbers may be others than they seem, in words; "" if there is no doubt."""
    doubts = ""
    if found.ambiguous:
        doubts = f" ({found.ambiguous} fits as well, with other numbers)"
    if found.format.units:
        plain = replace(found.format, units=())
        bare = sum(rows for text, rows in counts.items() if plain.reads(text))
        if bare:
            doubts += f", and numbers without {found.format.units[0]} {_in_rows(bare)}"
    return doubts


def number_setting(format: NumberFormat) -> dict:
    """Returns the entry in `data.columns` for numbers of a format."""
    setting = {"type": "numeric"}
    if format.units:
        setting["unit"] = format.units if len(format.units) > 1 else format.units[0]
    if format.thousands:
        setting["thousands"] = format.thousands
    # "." says that numbers are not written as Python does: with parentheses for a minus.
    if format.decimal != "." or len(setting) == 1:
        setting["decimal"] = format.decimal
    return setting


def _others(words, counts):
    """What stands among dates or numbers, in words; "" for nothing."""
    if not words:
        return ""
    shown = ", ".join(f"{word!r} {_in_rows(counts[word])}" for word in words[:8])
    more = f" and {len(words) - 8} more" if len(words) > 8 else ""
    return f", and {shown}{more}"


def _in_rows(rows):
    return f"in {rows:,} row{'' if rows == 1 else 's'}"


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
    what = f"{len(numbers)} distinct numbers{_others(tuple(words.index), counts)}"
    return Misreading("stray words", what, words=tuple(words.index))


def _distinct_text(counts):
    rows = counts.sum()
    if rows <= _MANY_ROWS or len(counts) <= _MOSTLY_DISTINCT * rows:
        return None
    shown = f"{len(counts):,} distinct values in {rows:,} rows, such as {counts.index[0][:40]!r}"
    if words_per_text(counts.index) >= _FREE_TEXT_WORDS:
        reason = "free text: nearly all values are different, and several words"
        return Misreading("free text", f"free text: {shown}", "text", reason=reason)
    return Misreading("identifiers", f"identifiers: {shown}", "ignore")


def words_per_text(texts: pd.Index | pd.Series) -> float:
    """Returns the mean number of words of texts. In scripts without blanks, a character is one."""
    return float(texts.str.count(_WORD).to_numpy().mean())


def is_unspaced(texts: pd.Series) -> bool:
    """Whether most characters of texts are of a script that writes no blanks between words."""
    return texts.str.count(_UNSPACED).sum() > 0.5 * texts.str.count(r"\w").sum()


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
