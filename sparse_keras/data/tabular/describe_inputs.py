"""What a column that is not the target seems to hold, and what becomes of it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from sparse_keras.data.tabular.column_description import describe_column
from sparse_keras.data.tabular.column_kinds import ColumnKinds
from sparse_keras.data.tabular.column_notes import (
    FEW_ROWS,
    FEW_VALUES,
    MANY_CATEGORIES,
    note_on_case,
    note_on_categories,
    note_on_numbers,
    note_on_words,
    rows_of_category,
    rows_text,
)
from sparse_keras.data.tabular.columns import is_categorical, numeric_values
from sparse_keras.data.tabular.csr import TextColumn
from sparse_keras.data.tabular.dates import is_date_dtype
from sparse_keras.data.tabular.fitting import MAX_MAGNITUDE
from sparse_keras.data.tabular.formats.base import is_unnamed
from sparse_keras.data.tabular.misreadings import is_unspaced, misreading, words_per_text
from sparse_keras.schema.sections.tabular.columns import column_kinds

_ID_NAME = re.compile(r"(?:.*[^a-z])?(?:id|uuid|guid|index|rownum|rowid)", re.A)
# Least share of distinct values in a column with the name of an identifier. In a column that counts
# rows, of which some may have been left out, least shares of rows that are more, and that are one
# more, than the row before.
_DISTINCT = 0.9
_RISING, _COUNTED = 0.99, 0.8
# More words among numbers, in more rows, are hardly ways to write "missing".
MOST_WORDS, _FEW_IN_ROWS = 5, 0.05
# A column is one of free text if its values have so many words and are mostly different.
_TEXT_WORDS, _TEXT_DISTINCT = 4, 0.2
_FEW_TEXTS, _MIN_DF = 20_000, 5


def describe_input(series):
    """Describes a column of which nothing is declared.

    Args:
        series: The column, of all rows that have a target.

    Returns:
        A `ColumnDescription`, with the settings that it needs.
    """
    if is_unnamed(series.name):
        why = "it has no name in the file, as the numbers or names of rows have none"
        return describe_column(series, "ignore", why, "ignore")
    found = misreading(series) if is_categorical(series) else None
    if found and found.kind == "stray words" and _are_few(found.words, series):
        why = f"{found.what}; data.missing makes them missing values"
        return describe_column(series, "numeric", why, words=found.words)
    if not is_categorical(series) and (infinite := _infinite_values(series)):
        shown = " and ".join(map(str, infinite))
        rows = rows_text(int(series.isin(infinite).sum()))
        described = describe_input(series.mask(series.isin(infinite)))
        why = f"{shown} in {rows}; data.missing makes them missing values"
        return replace(described, why="; ".join(filter(None, [why, described.why])), words=infinite)
    if reason := _useless(series, found):
        return describe_column(series, "ignore", reason, "ignore")
    if found:
        if found.setting == "text":
            return _described_text(series, found.reason)
        setting = found.setting
        kind = setting if isinstance(setting, str) else setting["type"]
        if is_date_dtype(series):
            return describe_column(series, "date")
        return describe_column(series, kind, found.reason, setting, found.words)
    if is_categorical(series):
        if _is_free_text(series):
            why = "free text: most values are several words, and different"
            return _described_text(series, why)
        setting = {}
        if spellings := note_on_case(series):
            setting["ignore_case"] = True
        if rare := note_on_categories(series):
            setting["min_count"] = rows_of_category(series)
        same = "the same value in all rows" if series.nunique() == 1 else ""
        notes = [note_on_words(series, "category"), spellings, rare, same]
        why = "; ".join(filter(None, notes))
        return describe_column(
            series, "categorical", why, {"type": "categorical", **setting} if setting else None
        )
    return describe_column(series, "numeric", note_on_numbers(series))


def _infinite_values(series):
    """The infinite numbers of a column, if there are few; a tuple of floats."""
    values = numeric_values(series)
    infinite = np.isinf(values)
    if not 0 < infinite.sum() <= _FEW_IN_ROWS * len(values):
        return ()
    return tuple(np.unique(values[infinite]).tolist())


def _described_text(series, why):
    """A column of free text: by its words, otherwise by its characters."""
    characters = {"type": "text", "ngram_max": 0, "char_ngram_max": 4}
    settings = [characters]
    if not is_unspaced(series.dropna().astype(str)):
        settings.insert(0, _text_setting(len(series)))
    for setting in settings:
        kinds = ColumnKinds({series.name: column_kinds({"text": setting})["text"]})
        try:
            for options in kinds.text_columns(series.name):
                TextColumn.fit(series, **options)
        except ValueError:
            continue
        return describe_column(series, "text", why, setting)
    return describe_column(
        series, "ignore", f"{why}, but too few words occur in several rows", "ignore"
    )


def _text_setting(rows):
    """The entry in `data.columns` for free text: of few texts, single words that are not rare."""
    return "text" if rows > _FEW_TEXTS else {"type": "text", "ngram_max": 1, "min_df": _MIN_DF}


def _are_few(words, series):
    """Whether words among numbers are few, or stand in few rows: ways to write "missing"."""
    in_rows = series.astype(str).str.strip().isin(words).mean()
    return len(words) <= MOST_WORDS or in_rows <= _FEW_IN_ROWS


def _is_free_text(series):
    """Whether many different values are several words each."""
    if pd.api.types.is_bool_dtype(series.dtype):
        return False
    values = pd.Series(series.dropna().unique()).astype(str)
    if len(values) <= max(MANY_CATEGORIES, _TEXT_DISTINCT * len(series)):
        return False
    return words_per_text(values) >= _TEXT_WORDS


def _useless(series, found):
    """Why nothing can be learned from an input, in words, or "".

    Args:
        series: The column.
        found: Its `Misreading`, or None.
    """
    present = series[series.notna()]
    if present.empty:
        return "no value"
    if len(present) < FEW_VALUES < len(series):
        return f"values in {len(present)} of {len(series)} rows only"
    if is_categorical(series):
        learnable = found is None or found.setting not in (None, "ignore")
        if found and found.kind == "stray words":
            return f"{found.what}: neither numbers nor categories"
        return "" if learnable else found.what
    values = numeric_values(present)
    beyond = ~(np.abs(values) < MAX_MAGNITUDE)
    if beyond.any():
        return f"{values[beyond.argmax()]} in row {int(present.index[beyond.argmax()]) + 1}"
    return "a different number in each row (an identifier)" if is_identifier(present) else ""


def is_identifier(series):
    """Whether whole numbers, nearly all distinct, count rows or are called an identifier."""
    if is_categorical(series) or len(series) <= FEW_ROWS:
        return False
    values = numeric_values(series)
    if not (values % 1 == 0).all():  # Neither infinite.
        return False
    if _ID_NAME.fullmatch(str(series.name).lower()):
        return series.nunique() >= _DISTINCT * len(series)
    steps = np.diff(values)
    return bool((steps > 0).mean() >= _RISING and (steps == 1).mean() >= _COUNTED)
