"""Columns of dates: their formats, and the numbers that they become."""

import datetime

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data.tabular.date_column import PARTS, date_parts, fit_dates
from sparse_keras.data.tabular.dates import are_times, guess_formats, seconds_of
from sparse_keras.data.tabular.encoded_columns import NumericColumn


def series(*values):
    return pd.Series(list(values), name="day", dtype=object)


@pytest.mark.parametrize(
    ("formats", "ambiguous", "values"),
    [
        (("%Y-%m-%d",), "", ["2024-01-31", None, "?", "2023-12-01"]),
        (("%d/%m/%Y %H:%M",), "", ["17/04/2023 13:45", "02/05/2023 09:00"]),
        (("%m/%d/%Y",), "", ["12/31/2024", "01/02/2024"]),
        (("%m/%d/%Y",), "%d/%m/%Y", ["03/04/2023", "05/06/2023"]),
        (("%d.%m.%Y",), "%m.%d.%Y", ["03.04.2023", "05.06.2023"]),
        (("%d.%m.%y",), "", ["31.12.24", "1.1.99"]),
        (("%B %d, %Y",), "", ["April 17, 2023", "May 2, 2023"]),
        (("%Y-%m-%d %I:%M %p",), "", ["2023-04-17 1:45 PM", "2023-04-18 2:05 AM"]),
        (("%d/%m/%Y", "%Y-%m-%d"), "", ["17/04/2023", "18/04/2023", "2023-04-19"]),
        (("%Y-%m-%d",), "", ["2024-01-01", "2024-02-01", "2024-05-03"]),
        (("%Y/%m/%d %H:%M",), "", ["2024/01/01 10:00", "2024/02/01 11:00"]),
        (("%d-%m-%y",), "%y-%m-%d", ["20-12-11", "21-01-15"]),
        (("%d/%m/%y",), "%y/%m/%d", ["22/10/23", "13/01/22"]),
        (("%y/%m/%d",), "%d/%m/%y", ["22/10/28", "13/01/29"]),  # 2028 and 2029 are to come.
        (("%d/%m/%Y %I:%M:%S%p",), "", ["17/04/2023 10:05:36pm", "18/04/2023 12:32:58am"]),
        (("%d/%m/%Y", "%m/%d/%Y"), "%m/%d/%Y", ["17/04/2023", "18/04/2023", "04/19/2023"]),
        (("%H:%M",), "", ["13:45", "7:05"]),
        (("%I:%M %p",), "", ["1:45 PM", "07:05 am"]),
        (("%Y-%m-%dT%H:%M:%S%z",), "", ["2023-04-17T13:45:10Z", "2023-04-17T13:45:10+02:00"]),
    ],
)
def test_formats_are_found(formats, ambiguous, values):
    found = guess_formats(series(*values))
    assert (found.formats, found.ambiguous, found.others) == (formats, ambiguous, ())
    # What was found is read, and means the same as the parser of Python says.
    present = [value for value in values if value not in (None, "?")]
    for value, seconds in zip(present, seconds_of(series(*present), formats), strict=True):
        expected = [_parse(value, format) for format in formats]
        assert seconds in expected


def _parse(value, format):
    try:
        parsed = datetime.datetime.strptime(value, format)
    except ValueError:
        return None
    zone = parsed.tzinfo or datetime.UTC
    return parsed.replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"], ["2019", "2020"], ["1.5", "2.5"], ["18-24", "25-34"], ["1.2.3", "14.0.1"],
        ["10.0.0.1", "192.168.0.1"], ["A12", "B13"], ["5 stars", "4 stars"], ["16:9", "4:3"],
        ["75:30"], [], [None],
    ],
)  # fmt: skip
def test_what_is_no_date(values):
    assert guess_formats(series(*values)) is None


def test_a_few_odd_cells_are_named():
    days = [f"2024-01-{day:02d}" for day in range(1, 20)]
    assert guess_formats(series(*days, "unknown")).others == ("unknown",)
    assert guess_formats(series(*days, "unknown", "never")) is None


def test_dates_of_any_type_are_the_same():
    day = pd.Timestamp("2024-02-29 12:30")
    zoned = day.tz_localize("UTC").tz_convert("Europe/Berlin")
    values = series(day, day.to_pydatetime(), day.to_datetime64(), "2024-02-29 12:30", zoned)
    assert set(seconds_of(values, ("%d.%m.%Y %H:%M",))) == {day.timestamp()}
    assert seconds_of(pd.Series([day, pd.NaT]), ())[0] == day.timestamp()
    assert seconds_of(pd.Series([zoned, pd.NaT]), ())[0] == day.timestamp()
    assert seconds_of(pd.Series([20240229.0, np.nan], name="x"), ("%Y%m%d",))[0] == 1709164800
    assert np.isnan(seconds_of(series(None, "", "NA", "never"), (), ("never",))).all()
    assert seconds_of(series("0001-01-01", "9999-12-31")).tolist() == [-62135596800, 253402214400]


def test_what_is_not_in_the_format_raises():
    with pytest.raises(ValueError, match=r"'%d\.%m\.%Y'.*'31/12/2024' in row 2, and 1 more"):
        seconds_of(series("31.12.2024", "31/12/2024", "x"), ("%d.%m.%Y",))
    with pytest.raises(ValueError, match="ISO 8601.* 12 in row 1"):
        seconds_of(series(12))


def test_parts_are_those_of_the_calendar():
    rng = np.random.default_rng(0)
    seconds = np.concatenate([rng.uniform(-6e10, 2e11, 200), [np.nan, 0.0, 951782399.999999]])
    parts = date_parts(seconds, newest=1e9)
    assert tuple(parts) == PARTS and all(np.isnan(values[200]) for values in parts.values())
    epoch = datetime.datetime(1970, 1, 1)
    for row in (*range(200), 201, 202):
        day = epoch + datetime.timedelta(microseconds=round(seconds[row] * 1e6))
        expected = [day.year, day.month, day.weekday(), day.hour + day.minute / 60]
        assert [parts[name][row] for name in PARTS[1:]] == expected
        assert parts["age"][row] == (1e9 - seconds[row]) / 86400


def test_times_of_the_day_are_hours():
    times = series("13:45", "07:30", datetime.time(7, 30), None)
    seconds = seconds_of(times, ("%H:%M",))
    assert are_times(seconds) and not are_times(np.append(seconds, 0.0))

    def fit_part(part):
        return NumericColumn(part.name, part.mean(), part.std(), ())

    column = fit_dates(times, ("%H:%M",), fit_part)
    assert column.detail == "%H:%M; hour"
    np.testing.assert_array_equal(column.values(times), [[13.75, 7.5, 7.5, np.nan]])
