"""What becomes of a column of a table, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnDescription:
    """What becomes of a column, and why.

    Args:
        name: The column.
        kind: "numeric", "categorical", "date", "text", "ignore" or "target".
        distinct: Number of distinct values, None if they were not counted.
        missing: Number of rows without a value, those with a word of `words` among them; None as
            above.
        example: A value as it is written, "" if there is none.
        why: What was decided, "" if the values leave no doubt.
        setting: The entry in `data.columns` that the kind needs, None if it needs none.
        words: Words that seem to mean "missing", for `data.missing`.
    """

    name: str
    kind: str
    distinct: int | None
    missing: int | None
    example: str
    why: str = ""
    setting: str | dict | None = None
    words: tuple = ()

    @property
    def rank(self) -> int:
        """The place of the column in a list that starts with the most surprising ones."""
        if self.kind == "ignore":
            return 0
        return 1 if self.words else 2 if self.setting is not None else 3 if self.why else 4


def describe_column(series, kind, why="", setting=None, words=(), missing=0):
    """Returns the `ColumnDescription` of a column, whose values it counts.

    Args:
        series: The column.
        kind, why, setting, words: As in `ColumnDescription`.
        missing: Number of rows without a value that are not in `series`.
    """
    present = series.dropna()
    text = present.astype(str).str.strip()
    gone = text.isin(words)
    example = text[~gone].iloc[0] if not gone.all() else ""
    if kind == "date":  # A time of the day is one of this day, see `dates.py`.
        example = example.removeprefix("1900-01-01 ")
    return ColumnDescription(
        series.name,
        kind,
        int(present[~gone].nunique()),
        int(series.isna().sum() + gone.sum()) + missing,
        example,
        why,
        setting,
        tuple(words),
    )
