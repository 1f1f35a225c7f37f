"""Rows for training, validation and testing: by a column, by group, by time."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import Target
from sparse_keras.data.tabular.split_rows import split_rows
from sparse_keras.schema.sections.tabular.splits import ColumnSplit, GroupSplit, TimeSplit

FRACTIONS = {"test": 0.2, "validation": 0.1}


def split(section, values, y=None, fractions=FRACTIONS, seed=0):
    values = pd.Series(values, name=section.column)
    y = [0, 1] * (len(values) // 2) + [0] * (len(values) % 2) if y is None else y
    target = Target("y", "binary", ("0", "1"))
    return split_rows(section, values, pd.DataFrame({"y": y}), target, fractions, seed)


def test_a_column_says_which_part():
    values = [0, 1, 2.0, "1", 3, "0"]  # A number is what it is in whatever type.
    section = ColumnSplit(column="fold", train=(0, 1), validation=(2,), test=("3",))
    parts, how = split(section, values)
    assert parts.tolist() == ["train", "train", "validation", "train", "test", "train"]
    assert str(how) == "split by column 'fold' (train '0', '1'; validation '2'; test '3')"
    section = ColumnSplit(column="is_test", train=(False,), validation=(), test=(True,))
    parts, _ = split(section, [True, False, False])
    assert parts.tolist() == ["test", "train", "train"]


@pytest.mark.parametrize(
    "values, message",
    [
        (
            ["train", "valid", "test", "holdout", "holdout", None],
            r"3 of 6 rows hold a value of 'part' that is in no part: 'holdout' in 2, a missing "
            r"value in 1 rows.*validation: \[validation, valid, val, dev\]",
        ),
        (["train", "test"], r"no row is for validation, .*holds 'tr.*validation: \[\] draws"),
        (["train", "val"], r"no row is for testing, since 'part' holds none of 'test', 'testing'"),
    ],
)
def test_columns_that_do_not_say_it(values, message):
    with pytest.raises(ValueError, match=message):
        split(ColumnSplit(column="part"), values)


def test_groups_stay_together_and_classes_are_stratified():
    rng = np.random.default_rng(0)
    groups = rng.choice(100, 2000, p=np.arange(1, 101) ** -1.0 / np.sum(np.arange(1, 101) ** -1.0))
    rate = rng.beta(0.5, 4.5, 100)
    y = (rng.random(2000) < rate[groups]).astype(int)
    parts, how = split(GroupSplit(column="id"), groups, y)
    for group in range(100):
        assert len(set(parts[groups == group])) <= 1
    test = parts == "test"
    assert abs(test.mean() - 0.2) < 0.02 and abs((parts == "validation").mean() - 0.08) < 0.02
    assert abs(y[test].mean() - y.mean()) < 0.02
    counts = [len(set(groups[parts == part])) for part in ("train", "validation", "test")]
    assert [how.parts[part]["groups"] for part in how.parts] == counts
    assert (split(GroupSplit(column="id"), groups, y)[0] == parts).all()
    assert (split(GroupSplit(column="id"), groups, y, seed=1)[0] != parts).any()


def test_a_row_without_a_group_is_a_group_of_its_own():
    parts, how = split(GroupSplit(column="id"), ["a", None, "b", None, "c", "?", "d", "a"])
    assert how.notes == ("3 rows without a value, each a group of its own",)
    assert sum(details["groups"] for details in how.parts.values()) == 7
    assert parts[0] == parts[7]


def test_too_few_groups():
    with pytest.raises(ValueError, match=r"for validation need groups .*'id' .*: 1\."):
        split(GroupSplit(column="id"), ["a", "b"] * 10)


def test_the_newest_rows_are_for_testing():
    times = np.random.default_rng(0).permutation(100)
    parts, how = split(TimeSplit(column="t"), times)
    expected = np.select([times >= 80, times >= 72], ["test", "validation"], "train")
    assert parts.tolist() == expected.tolist()
    assert str(how) == "split by time 't' (train 0 to 71; validation 72 to 79; test 80 to 99)"
    assert how.fixed == ("train", "validation", "test")


def test_equal_times_are_in_one_part():
    years = np.repeat([2019, 2020, 2021, 2022], [10, 50, 25, 15])
    parts, _ = split(TimeSplit(column="year"), years)
    # Of 100 rows 20 are wanted: 15 is nearer than 40. Of the other 85 rows 8.5 are wanted.
    assert [set(years[parts == part]) for part in ("train", "validation", "test")] == [
        {2019, 2020},
        {2021},
        {2022},
    ]
    parts, _ = split(TimeSplit(column="year"), [1, 1, 1, 1, 2, 3])
    assert parts.tolist() == ["train"] * 4 + ["validation", "test"]
    with pytest.raises(ValueError, match="3 parts need at least 3 distinct times. 'year' has 2"):
        split(TimeSplit(column="year"), [1, 1, 2])


def test_dates_in_several_formats():
    dates = pd.date_range("2024-01-25", periods=20)
    wanted = ["train"] * 14 + ["validation"] * 2 + ["test"] * 4
    german = [date.strftime("%d.%m.%Y") for date in dates]
    mixed = [date.strftime("%d.%m.%Y" if i % 2 else "%d %b %Y") for i, date in enumerate(dates)]
    for values, formats in (
        (dates, None),
        (dates.strftime("%Y-%m-%d"), None),
        (german, "%d.%m.%Y"),
        (mixed, ["%d.%m.%Y", "%d %b %Y"]),
    ):
        parts, how = split(TimeSplit(column="day", format=formats), values)
        assert parts.tolist() == wanted
        assert "validation 2024-02-08 to 2024-02-09" in str(how)
    with pytest.raises(ValueError, match=r"'25.01.2024' in row 1, .*split.format: '%d.%m.%Y'\."):
        split(TimeSplit(column="day"), german)
    with pytest.raises(ValueError, match=r"'Rome' in row 1.* Set data.split.format, such as"):
        split(TimeSplit(column="day"), ["Rome", "Bonn"] * 5)


def test_missing_times():
    with pytest.raises(ValueError, match=r"'t' is missing in 2 of 10 rows, first in row 4"):
        split(TimeSplit(column="t"), [1, 2, 3, None, 5, 6, 7, None, 9, 10])
