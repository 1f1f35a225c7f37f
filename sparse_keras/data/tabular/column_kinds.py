"""What the columns of a table hold, as `data.columns` declares it, applied to its values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from sparse_keras.data.tabular.columns import category_keys, numeric_values
from sparse_keras.data.tabular.dates import guess_formats, is_date_dtype, seconds_of
from sparse_keras.data.tabular.missing import MissingValues
from sparse_keras.data.tabular.number_formats import NumberFormat
from sparse_keras.schema.sections.tabular.columns import (
    CategoricalKind,
    DateKind,
    IgnoreKind,
    NumericKind,
    TextKind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparse_keras.schema.sections.tabular.columns import ColumnKind


@dataclass(frozen=True)
class ColumnKinds:
    """The kinds of the columns whose types do not say how they are used.

    Args:
        kinds: Dict from a column to its `ColumnKind`. A date has the formats of its column.
        decimal: The decimal separator of numbers that do not declare one.
    """

    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    decimal: str = "."

    @property
    def ignored(self) -> tuple[str, ...]:
        """The columns that are left out."""
        return tuple(name for name, kind in self.kinds.items() if isinstance(kind, IgnoreKind))

    def number_format(self, name: str) -> NumberFormat | None:
        """The `NumberFormat` of a column of numbers, None for that of Python."""
        kind = self.kinds.get(name)
        if not isinstance(kind, NumericKind) or kind.is_plain:
            return None
        return NumberFormat(kind.units, kind.thousands or "", kind.decimal or self.decimal)

    def date_formats(self, name: str) -> Sequence[str] | None:
        """The formats of a column of dates, None for other columns."""
        kind = self.kinds.get(name)
        return kind.formats if isinstance(kind, DateKind) else None

    def ignores_case(self, name: str) -> bool:
        """Whether categories of a column that differ in case only are one."""
        return getattr(self.kinds.get(name), "ignore_case", False)

    def min_count(self, name: str) -> int:
        """Minimum number of training rows of a category of a column."""
        return getattr(self.kinds.get(name), "min_count", 1)

    def text_columns(self, name: str) -> list[dict[str, Any]]:
        """The arguments of each `TextColumn.fit` that a column of text needs; none for others."""
        kind = self.kinds.get(name)
        if not isinstance(kind, TextKind):
            return []
        shared = {key: getattr(kind, key) for key in ("min_df", "max_features", "sublinear_tf")}
        columns = []
        if kind.ngram_max:
            columns.append({"ngram_max": kind.ngram_max})
        if kind.char_ngram_max:
            columns.append(
                {"ngram_min": 3, "ngram_max": kind.char_ngram_max, "analyzer": "char_wb"}
            )
        return [shared | column for column in columns]


def apply_kinds(
    frame: pd.DataFrame, kinds: ColumnKinds, missing: MissingValues, columns: Sequence[str]
) -> tuple[pd.DataFrame, ColumnKinds, dict[str, str]]:
    """Gives the columns of a table the types of their kinds.

    Numbers become float64, dates datetimes, categories the dtype "category"; text stays text. What
    has a type of dates is a date, if nothing else is declared.

    Args:
        frame: A DataFrame.
        kinds: The kinds that are declared.
        missing: What is missing in its columns.
        columns: The columns that are inputs.

    Returns:
        The new DataFrame; the `ColumnKinds` with the formats of dates; and the errors, a dict from
        a column to a sentence. Columns with errors stay as they are.
    """
    known = dict(kinds.kinds)
    frame = frame.drop(columns=[name for name in frame if isinstance(known.get(name), IgnoreKind)])
    frame, errors = frame.copy(deep=False), {}
    for name in columns:
        if name not in frame:
            continue
        if name not in known and is_date_dtype(frame[name]):
            known[name] = DateKind()
        kind, declared = known.get(name), missing.declared(name)
        try:
            if isinstance(kind, DateKind) and not kind.formats:
                known[name] = kind = _with_formats(kind, frame[name])
            values = _typed(frame[name], kind, declared, kinds.number_format(name))
        except ValueError as error:
            errors[name] = str(error)
        else:
            if values is not None:
                frame[name] = pd.Series(values, index=frame.index)
    return frame, ColumnKinds(known, kinds.decimal), errors


def _typed(series, kind, missing, number_format):
    """The values of a column as its kind needs them; None if they stay as they are."""
    if isinstance(kind, NumericKind):
        return numeric_values(series, missing, number_format)
    if isinstance(kind, CategoricalKind):
        return pd.Categorical(category_keys(series))
    if isinstance(kind, DateKind):
        seconds = seconds_of(series, kind.formats, missing)
        return pd.to_datetime(pd.Series(seconds * 1e6).round(), unit="us").to_numpy()
    return None


def _with_formats(kind, series):
    """A `DateKind` with the formats of a column of text; datetimes need none."""
    if is_date_dtype(series):
        return kind
    guess = guess_formats(series)
    if guess is None:
        return kind  # Whatever it holds, the error says so.
    if guess.ambiguous:
        raise ValueError(
            f"Column {series.name!r} holds dates such as {series.dropna().iloc[0]!r}, in which day "
            f"and month cannot be told apart. Set their format: {{type: date, format: "
            f"'{guess.formats[0]}'}} or '{guess.ambiguous}'."
        )
    return kind.model_copy(update={"format": guess.formats})
