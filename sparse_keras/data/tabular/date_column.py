"""One column of dates as a model sees it: year, month, weekday, hour and age, which are numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparse_keras.data.tabular.dates import are_times, seconds_of
from sparse_keras.data.tabular.encoded_columns import NumericColumn

_DAY = 86_400.0
# The parts of a date, in the order of their columns; a part that never changes is left out.
PARTS = ("age", "year", "month", "weekday", "hour")


@dataclass(frozen=True)
class DateColumn:
    """A column of dates or times, as it was in the training rows.

    Args:
        name: The column.
        formats: How dates of text are written, as of `datetime.strptime`.
        newest: The newest date of the training rows, in seconds since 1970-01-01 UTC.
        parts: Tuple with a `NumericColumn` for each part that changes: "age" (days before
            `newest`), "year", "month" (1 to 12), "weekday" (0: Monday) and "hour" (with its
            fraction). Its name is that of the part.
        missing_values: Words that mean "missing" beside the usual words.
    """

    name: str
    formats: tuple
    newest: float
    parts: tuple
    missing_values: tuple = ()

    kind = "date"

    @property
    def detail(self):
        """Describes the column in a few words."""
        names = [part.name for part in self.parts]
        details = [", ".join(self.formats), ", ".join(names)]
        if "age" in names:
            newest = pd.Timestamp(self.newest, unit="s")
            is_day = newest == newest.normalize()
            shown = newest.date() if is_day else newest.strftime("%Y-%m-%d %H:%M")
            details.append(f"ages are days before {shown}")
        return "; ".join(filter(None, details))

    def seconds(self, series):
        """Returns raw dates as seconds since 1970-01-01 UTC, float64 `[N]`, NaN where missing.

        Raises:
            ValueError: If a value is no date in these formats.
        """
        return seconds_of(series, self.formats, self.missing_values)

    def missing(self, series):
        """Returns bool `[N]`: whether each raw value is missing."""
        return np.isnan(self.seconds(series))

    def values(self, series):
        """Returns the parts of raw dates, a list of float64 `[N]` in the order of `parts`."""
        numbers = date_parts(self.seconds(series), self.newest)
        return [numbers[part.name] for part in self.parts]


def date_parts(seconds, newest):
    """Returns the parts of dates, as they are described in `DateColumn`.

    Args:
        seconds: float64 `[N]`, seconds since 1970-01-01 UTC, NaN where missing.
        newest: The date from which ages count.

    Returns:
        Dict from the name of each part to float64 `[N]`, NaN where missing.
    """
    present = ~np.isnan(seconds)
    # Whole microseconds: a double cannot hold nanoseconds of this century.
    times = np.where(present, np.round(seconds * 1e6), 0).astype("int64").view("datetime64[us]")
    index = pd.DatetimeIndex(times)
    parts = {
        "age": (newest - seconds) / _DAY,
        "year": index.year,
        "month": index.month,
        "weekday": index.day_of_week,
        "hour": index.hour + index.minute / 60.0,
    }
    return {
        name: np.where(present, np.asarray(values, "float64"), np.nan)
        for name, values in parts.items()
    }


def fit_dates(series, formats, fit_part, missing_values=()):
    """Learns a column of dates from the training rows.

    Args:
        series: The column.
        formats: The formats of text.
        fit_part: Function of a Series of numbers that returns a `NumericColumn`.
        missing_values: Words that mean "missing" beside the usual words.

    Returns:
        A `DateColumn`.
    """
    seconds = seconds_of(series, formats, missing_values)
    newest = float(np.nanmax(seconds))
    columns = []
    parts = date_parts(seconds, newest)
    if are_times(seconds):
        parts = {"hour": parts["hour"]}
    for name, values in parts.items():
        column = fit_part(pd.Series(values, name=name))
        # One indicator of missing values is enough for all parts.
        if column.std or not columns:
            columns.append(column if not columns else _without_indicator(column))
    return DateColumn(series.name, tuple(formats), newest, tuple(columns), missing_values)


def _without_indicator(column):
    return NumericColumn(column.name, column.mean, column.std, column.boundaries)
