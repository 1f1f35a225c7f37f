"""Dates and times of a column: which formats they are written in, and what they mean.

A date is a float64 of seconds since 1970-01-01 in UTC, NaN where missing. Times with an offset,
such as +02:00, are converted to UTC; those without one are taken as they are. A time without a date
is one of 1900-01-01, as in `datetime.strptime`.
"""

from __future__ import annotations

import datetime
import itertools
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.columns import refuse_values
from sparse_keras.data.tabular.missing import missing_words

# Dates that mean the same whoever wrote them, so that they need not be declared.
ISO = "ISO8601"
# Formats that pandas does not guess: years of two digits, and the clock of twelve hours.
_DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d")
_SHORT_FORMATS = (
    *(date.replace("/", separator) for separator in "/.-" for date in ("%d/%m/%y", "%m/%d/%y")),
    *("%y-%m-%d", "%y/%m/%d", "%y.%m.%d", "%d-%b-%y", "%d %b %y"),
)
_TIME_FORMATS = (
    *("", " %H:%M", " %H:%M:%S"),
    *(" %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p"),
)
_OTHERS = (
    *(time.strip() for time in _TIME_FORMATS if time),
    *(
        date + time
        for date, time in itertools.product((*_SHORT_FORMATS, *_DATE_FORMATS), _TIME_FORMATS)
        if date in _SHORT_FORMATS or "%p" in time
    ),
)
_LOOKED_AT, _GUESSED_FROM = 10_000, 50
_MOST_FORMATS, _LONGEST = 4, 40
_DAY_OF_TIMES = -2_208_988_800.0  # 1900-01-01
_DAY_IN_THE_MIDDLE = re.compile("%[Yy].%d.%m")
# So many of the distinct values must be dates for a column to be one of dates.
_NEARLY_ALL = 0.95
# What a date looks like, before it is parsed: two numbers or more, or the name of a month.
_LIKE_DATE = re.compile(
    r"\s*\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?([T ,].*)?\s*"
    r"|.*\b[A-Za-z]{3,9}\b.*\d.*|.*\d.*[A-Za-z]{3,9}.*"
    r"|\s*\d{1,2}:\d\d(:\d\d)?( ?[AaPp][Mm])?\s*"
)


def seconds_of(series, formats=(), missing=()):
    """Returns a column of dates as seconds since 1970-01-01.

    Args:
        series: The column: of datetimes, of text, or of objects such as `datetime.date`.
        formats: The formats of text, as of `datetime.strptime`, tried in this order. Text in ISO
            8601 is understood as well.
        missing: Words that mean "missing" beside the usual words.

    Returns:
        float64 `[N]`, NaN where missing.

    Raises:
        ValueError: If a value is no date, or not in one of these formats.
    """
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return _seconds(series)
    if isinstance(series.dtype, pd.PeriodDtype):
        return _seconds(series.dt.to_timestamp())
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    text = _stripped_text(series)
    text = text.mask(text.isin(missing_words(missing)))
    seconds = np.full(len(series), np.nan)
    left = text.notna().to_numpy(copy=True)
    for format in (*formats, ISO):
        if not left.any():
            return seconds
        seconds[left] = _parsed(text[left], format)
        left &= np.isnan(seconds)
    refuse_values(series, left, f"dates {described(formats)}")
    return seconds


def described(formats):
    """Returns formats in words, after "dates"."""
    if not formats:
        return "in ISO 8601, such as '2024-01-31'"
    return f"in the format{'s' * (len(formats) > 1)} {listing(formats, limit=len(formats))}"


def is_date_dtype(series):
    """Whether a column holds datetimes or dates instead of text."""
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return True
    return isinstance(series.dtype, pd.PeriodDtype) or (
        series.dtype == object
        and pd.api.types.infer_dtype(series, skipna=True)
        in ("date", "datetime", "datetime64", "time")
    )


def are_times(seconds):
    """Whether dates are times of the day only.

    Args:
        seconds: float64 `[N]`, NaN where missing.
    """
    days = np.floor(seconds[~np.isnan(seconds)] / 86_400) * 86_400
    return bool(np.all(days == _DAY_OF_TIMES))


@dataclass(frozen=True)
class DateFormats:
    """The formats of a column of text, as `guess_formats` found them.

    Args:
        formats: Tuple of formats, the most frequent first.
        others: Tuple of the distinct values that are not in these formats.
        ambiguous: Another format that dates of `formats` could have, "" for none: where no day is
            above 12, day and month may be exchanged.
    """

    formats: tuple
    others: tuple = ()
    ambiguous: str = ""


def guess_formats(series):
    """Finds the formats of a column of text.

    Where no day is above 12, days and months cannot be told apart. The day is then taken to be
    first, or the month where a "/" separates them, and the result says so.

    Args:
        series: The column; values that mean "missing" are left out.

    Returns:
        A `DateFormats`, or None if fewer than 95 % of its distinct values are dates.
    """
    values = _stripped_text(series.dropna())
    distinct = pd.Series(values[~values.isin(missing_words(()))].unique()[:_LOOKED_AT])
    # Longer text is no date, and takes long to compare.
    if distinct.empty or (distinct.str.len() > _LONGEST).mean() > 1 - _NEARLY_ALL:
        return None
    distinct = distinct.str.slice(0, _LONGEST + 1)
    if distinct.str.fullmatch(_LIKE_DATE).mean() < _NEARLY_ALL:
        return None
    left, formats, ambiguous = distinct, [], ""
    while len(left) and len(formats) < _MOST_FORMATS:
        counts = {}
        for format in _candidates(left):
            parsed = ~np.isnan(_parsed(left, format))
            counts[format] = (int(parsed.sum()), parsed)
        best = max((count for count, _ in counts.values()), default=0)
        if best == 0:
            break
        equal = [format for format, (count, _) in counts.items() if count == best]
        # Nobody writes the day between year and month, if the month fits there.
        equal = [one for one in equal if not _DAY_IN_THE_MIDDLE.match(one)] or equal
        first = _preferred(equal, left)
        same = counts[first][1]
        others = [one for one in equal if one != first and (counts[one][1] == same).all()]
        if _day_and_month_exchanged(first) in formats:  # A mixture: any date may be of either.
            ambiguous = first
        elif others and not formats:
            exchanged = _day_and_month_exchanged(first)
            ambiguous = exchanged if exchanged in others else others[0]
        formats.append(first)
        left = left[~counts[first][1]]
    if not formats or len(left) > (1 - _NEARLY_ALL) * len(distinct):
        return None
    return DateFormats(tuple(formats), tuple(left), ambiguous)


def _candidates(values):
    """The formats that some values could have."""
    candidates = dict.fromkeys(_OTHERS)
    step = max(len(values) // _GUESSED_FROM, 1)
    with warnings.catch_warnings(action="ignore"):  # About day and month; both are tried.
        for value in values.iloc[::step]:
            for day_first in (False, True):
                format = guess_datetime_format(value, dayfirst=day_first)
                if format is not None and _is_format(format):
                    candidates |= dict.fromkeys((format, _day_and_month_exchanged(format)))
    sample = values.iloc[::step]
    return [format for format in candidates if not np.isnan(_parsed(sample, format)).all()]


def _is_format(format):
    """Whether a guess of pandas is a format: a year alone is a number, and it takes words such as
    "pm" and "Monday" for letters that are the same in all dates."""
    letters = re.sub("%[A-Za-z]", "", format)
    return len(re.findall("%[A-Za-z]", format)) > 1 and not re.search("[A-SU-Ya-z]", letters)


def _preferred(formats, values):
    """Of formats that fit equally well, the one with the fewest dates in the future. Then years of
    two digits are last, and without a "/" the day is before the month."""
    month_first, now = "/" in values.iloc[0], pd.Timestamp.now().timestamp()

    def rank(format):
        future = int((_parsed(values, format) > now).sum()) if "%y" in format else 0
        day_first = format.find("%m") > format.find("%d")
        return future, format.startswith("%y"), day_first == month_first

    return min(formats, key=rank)


def _day_and_month_exchanged(format):
    if format[:2].lower() == "%y":  # A year is followed by the month.
        return format
    return format.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _parsed(text, format):
    """Seconds, NaN for text that does not have the format."""
    try:
        return _seconds(pd.to_datetime(text, format=format, errors="coerce", utc=True))
    except (ValueError, OverflowError):  # No format, or a date beyond what pandas can hold.
        return np.full(len(text), np.nan)


def _seconds(series):
    if series.dt.tz is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    microseconds = series.astype("datetime64[us]").to_numpy().astype("int64")
    return np.where(series.isna(), np.nan, microseconds / 1e6)


def _stripped_text(series):
    if not isinstance(series.dtype, pd.StringDtype):
        series = series.map(_text)
    return series.astype("str").str.strip()


def _text(value):
    """A value as text that `pandas.to_datetime` reads: dates as ISO 8601, 20240131.0 as whole."""
    if value is None or value is pd.NaT:
        return ""
    if isinstance(value, datetime.time):
        return f"1900-01-01T{value.isoformat()}"
    if isinstance(value, (datetime.date, np.datetime64)):
        return pd.Timestamp(value).isoformat()
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)
