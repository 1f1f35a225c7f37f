"""Which cells of a table are missing.

Empty cells are, and the words of `ALWAYS_MISSING`. Words such as "None" or "NA" are missing only in
columns of numbers: in a column of text they may be a class or a category. `data.missing` of a
config declares more words and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

# Missing in every column, in files and in raw rows alike.
ALWAYS_MISSING = ("", "?", "NaN", "nan", "<NA>")
# Missing in columns of numbers; in columns of text, values like any other.
MISSING_AMONG_NUMBERS = ("NA", "N/A", "n/a", "null", "NULL", "None")
MISSING_STRINGS = (*ALWAYS_MISSING, *MISSING_AMONG_NUMBERS)


@dataclass(frozen=True)
class MissingValues:
    """The words and numbers that mean "missing" beside the usual ones.

    Args:
        everywhere: Words and numbers that are missing in columns that `by_column` does not name.
        by_column: Dict from a column to the words and numbers that are missing in it.
    """

    everywhere: tuple = ()
    by_column: Mapping[str, tuple] = field(default_factory=dict)

    @classmethod
    def of(cls, setting: Sequence | Mapping[str, Sequence] | None) -> MissingValues:
        """Makes one of `data.missing` of a config: a list, a dict of lists by column, or None."""
        if isinstance(setting, Mapping):
            return cls((), {name: tuple(values) for name, values in setting.items()})
        return cls(tuple(setting or ()))

    @property
    def is_declared(self) -> bool:
        """Whether there are any."""
        return bool(self.everywhere or self.by_column)

    def declared(self, column: str) -> tuple:
        """The words and numbers that are missing in a column beside the usual ones."""
        return self.by_column.get(column, self.everywhere)

    def words(self, column: str) -> tuple[str, ...]:
        """The text that is missing in a column whatever else it holds."""
        return (*ALWAYS_MISSING, *words_of(self.declared(column)))


def words_of(values: Iterable) -> tuple[str, ...]:
    """Returns the words among values."""
    return tuple(value for value in values if isinstance(value, str))


def missing_words(declared: Iterable) -> set[str]:
    """Returns the text that is missing among numbers: the usual words, and declared ones."""
    return {*MISSING_STRINGS, *words_of(declared)}


def numbers_of(values: Iterable) -> tuple[float, ...]:
    """Returns the numbers among values."""
    return tuple(float(value) for value in values if not isinstance(value, str))


def with_missing(
    frame: pd.DataFrame,
    missing: MissingValues,
    as_numbers: Callable[[pd.Series], pd.Series] = pd.Series.infer_objects,
) -> pd.DataFrame:
    """Replaces values that mean "missing" by missing ones.

    A column that holds nothing but numbers then becomes one of numbers.

    Args:
        frame: A DataFrame with distinct column names, which is changed.
        missing: What is missing in it.
        as_numbers: Function of a column of text or objects that returns it as numbers if all of its
            values are, and else as it is.

    Returns:
        The same DataFrame.
    """
    for name in frame.columns:
        series = frame[name]
        if pd.api.types.is_string_dtype(series.dtype):  # objects among them
            frame[name] = _text_with_missing(series, missing, as_numbers)
        elif isinstance(series.dtype, pd.CategoricalDtype):
            gone = series.cat.categories.intersection(list(missing.words(name)))
            frame[name] = series.cat.remove_categories(gone)
        numbers = numbers_of(missing.declared(name))
        if numbers and pd.api.types.is_numeric_dtype(frame[name].dtype):
            frame[name] = frame[name].mask(frame[name].isin(numbers))
    return frame


def _text_with_missing(series, missing, as_numbers):
    text = series.str.strip() if series.dtype != object else series.map(_stripped)
    gone = text.isin(missing.words(series.name))
    if numbers := numbers_of(missing.declared(series.name)):  # As text, among other text.
        gone |= pd.to_numeric(text, errors="coerce").isin(numbers)
    among_numbers = gone | text.isin(MISSING_AMONG_NUMBERS)
    if not among_numbers.any():
        return series
    numbers = as_numbers(series.mask(among_numbers))
    if pd.api.types.is_numeric_dtype(numbers.dtype) and numbers.notna().any():
        return numbers
    return series.mask(gone)


def _stripped(value):
    return value.strip() if isinstance(value, str) else value
