"""The parts of a user's own table: `data.split`, and files of their own."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import load_data
from sparse_keras.schema.sections.tabular.columns import DateKind
from sparse_keras.schema.sections.tabular.feature_selection import Univariate
from sparse_keras.schema.sections.tabular.splits import ColumnSplit, GroupSplit, TimeSplit

PARTS = ("train", "validation", "test")


def people(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "row": np.arange(rows) / 7,
            "age": rng.integers(18, 90, rows),
            "city": rng.choice(["Rome", "Bonn"], rows),
            "zip": [f"0{i % 7}" for i in range(rows)],
            "customer": [f"C{i:03}" for i in rng.integers(0, 60, rows)],
            "joined": pd.date_range("2020-01-01", periods=rows).strftime("%d/%m/%Y"),
            "part": rng.choice(PARTS, rows, p=[0.6, 0.2, 0.2]),
            "counts": rng.integers(1, 4, rows),
            "amount": rng.normal(size=rows),
        }
    )
    return frame.assign(churned=np.where(frame.age + rng.normal(0, 9, rows) > 50, "yes", "no"))


@pytest.fixture
def load(tmp_path, make_config):
    """Returns a function that writes files, the first of which is `path`, and loads a table."""

    def load(frame=None, others=(), **options):
        for name, rows in {"a.csv": people() if frame is None else frame, **dict(others)}.items():
            rows.to_csv(tmp_path / name, index=False)
        for part in ("test_path", "validation_path"):
            if part in options:
                options[part] = str(tmp_path / options[part])
        columns = dict.fromkeys(("customer", "joined", "part"), "ignore") | options.pop(
            "columns", {}
        )
        options = {
            "target": "churned",
            "task": "auto",
            "separator": ",",
            "columns": columns,
        } | options
        options = {"test_fraction": 0.2, "path": str(tmp_path / "a.csv")} | options
        return load_data(make_config("csv", **options))

    return load


def rows_of(data):
    """The numbers of the rows in each part."""
    return {
        part: set((7 * frame["row"]).round().astype(int)) for part, frame in data.frames.items()
    }


SPLITS = {
    "column": ColumnSplit(column="part"),
    "group": GroupSplit(column="customer"),
    "time": TimeSplit(column="joined", format="%d/%m/%Y"),
}


@pytest.mark.parametrize("kind", SPLITS)
@pytest.mark.parametrize("more", ["weights", "several targets", "rows without a target"])
def test_splits_of_one_file(load, kind, more):
    frame, options = people(), {}
    if more == "weights":
        options = {"weight": "counts", "features": Univariate(count=3)}
    elif more == "several targets":
        options = {"target": {"churned": "auto", "amount": "regression"}}
    else:
        frame.loc[[5, 50, 150], "churned"] = None
        options = {"missing_target": "drop"}
    data = load(frame, split=SPLITS[kind], **options)
    rows = rows_of(data) if "row" in data.frames["train"] else None
    dropped = {5, 50, 150} if more == "rows without a target" else set()
    assert data.dropped == len(dropped)
    assert sum(len(part) for part in data.frames.values()) == 200 - len(dropped)
    assert not {"part", "customer", "joined"} & set(data.features.columns)
    if rows is None:
        return
    assert set.union(*rows.values()) == set(range(200)) - dropped
    for part, numbers in rows.items():
        of_part = frame.loc[sorted(numbers)]
        if kind == "column":
            assert set(of_part.part) == {part}
        elif kind == "time":
            later = set().union(*(rows[other] for other in PARTS[PARTS.index(part) + 1 :]))
            assert max(numbers) < min(later or {999})
        else:
            others = frame.loc[sorted(set(range(200)) - dropped - numbers)]
            assert not set(of_part.customer) & set(others.customer)
    assert data.describe_split()["type"] == kind and f"split by {kind}" in repr(data)


def test_the_column_of_the_split_as_an_input(load):
    data = load(split=TimeSplit(column="amount"))
    assert "amount" in data.features.columns  # It holds numbers.
    data = load(split=SPLITS["time"])
    assert "'joined' is not an input" in repr(data)
    # The format of the column is that of the split.
    columns = {"joined": DateKind(format="%d/%m/%Y")}
    data = load(split=TimeSplit(column="joined"), columns=columns)
    assert "joined" in data.features.columns and "train 2020-01-01 to" in repr(data)
    data = load(split=GroupSplit(column="counts", input=True))
    assert "counts" in data.features.columns


def test_no_named_validation_rows(load):
    data = load(split=ColumnSplit(column="city", train=("Rome",), test=("Bonn",), validation=()))
    frames = data.frames
    assert set(frames["test"].index) and len(frames["validation"]) == round(
        0.1 * (len(frames["train"]) + len(frames["validation"]))
    )
    assert data.split.drawn == ("validation",)


def test_files_of_their_own(load):
    others = {"t.csv": people(40, seed=1), "v.csv": people(30, seed=2)[::-1]}
    others["t.csv"]["extra"] = 1
    data = load(others=others, test_path="t.csv", validation_path="v.csv")
    assert {part: len(frame) for part, frame in data.frames.items()} == {
        "train": 200,
        "validation": 30,
        "test": 40,
    }
    assert "split by file (train from a.csv; validation from v.csv; test from t.csv)" in repr(data)
    # Statistics are those of the training file, and codes with leading zeros are text in all files.
    (age,) = (column for column in data.features.numeric if column.name == "age")
    assert age.mean == pytest.approx(people()["age"].mean())
    assert set(data.frames["test"]["zip"]) == set(people()["zip"])
    assert data.repeated == 0
    data = load(others=others, test_path="t.csv")
    assert len(data.frames["validation"]) == 20 and len(data.frames["test"]) == 40
    data = load(others=others, test_path="t.csv", split=SPLITS["time"])
    assert "test 2020-01-01 to 2020-02-09 from t.csv" in repr(data)
    assert max(rows_of(data)["train"]) == 179
    with pytest.warns(UserWarning, match=r"t.csv: 40 test rows are of \d+ groups of 'customer'"):
        load(others={"t.csv": people()[:40]}, test_path="t.csv", split=SPLITS["group"])


def changed(column, value, row=2):
    frame = people(40, seed=1).astype({"age": object})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    "test, message",
    [
        (
            people(40).drop(columns=["age", "zip"]),
            r"lacks 2 columns of .*a.csv: 'age', 'zip'\. Col",
        ),
        (changed("churned", "maybe"), r"must be one of 'no', 'yes'. Received: 'maybe' \(1 rows"),
        (changed("churned", None), r"target 'churned' is missing in 1 of 40 rows, first in row 3"),
        (changed("age", "old"), r"'age' must hold numbers. Received: 'old' in row 3"),
        (changed("age", "inf"), r"'age' must hold finite numbers. Received: inf in row 3"),
        (people(0), r"has no rows"),
    ],
)
def test_files_that_do_not_fit(load, test, message):
    with pytest.raises(ValueError, match=rf"t\.csv.*{message}"):
        load(others={"t.csv": test}, test_path="t.csv")


def test_a_sample_of_each_file(load):
    data = load(others={"t.csv": people(40, seed=1)}, test_path="t.csv", max_rows=30)
    assert len(data.frames["test"]) == 30 and data.split.fixed == ()
    assert "of a random sample of the rows" in repr(data)


def test_rows_in_two_parts_are_counted(load):
    frame = pd.concat([people(), people()], ignore_index=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load(frame)
    seen = rows_of(data)
    in_test = (7 * data.frames["test"]["row"]).round().astype(int)
    expected = int(in_test.isin(seen["train"] | seen["validation"]).sum())
    assert data.repeated == expected > 50
    assert f"{expected} test rows have the inputs of a training or validation row" in repr(data)
    assert data.describe_split()["repeated_test_rows"] == expected
