"""The sections of a table of your own: which keys apply to which split."""

import pytest
from pydantic import ValidationError

from sparse_keras.schema.sections.tabular.files import CSV
from sparse_keras.schema.sections.tabular.splits import ColumnSplit, GroupSplit, TimeSplit

PART = ColumnSplit(column="part")
NO_VALIDATION = ColumnSplit(column="part", validation=())
GROUP = GroupSplit(column="id")
TIME = TimeSplit(column="t")


def csv(**keys):
    return CSV(**{"path": "a.csv", "target": "y", **keys})


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"split": PART, "test_fraction": 0.3}, "test_fraction: .*split.test names the test rows"),
        ({"split": PART, "test_path": "t.csv"}, "test_path: .*data.split.test names the test rows"),
        ({"split": PART, "validation_fraction": 0.3}, "data.split.validation names the"),
        ({"split": PART, "validation_path": "v.csv"}, "data.split.validation names the"),
        ({"split": PART, "split_seed": 1}, "no rows are drawn at random"),
        ({"split": TIME, "split_seed": 1}, "no rows are drawn at random"),
        (
            {"split": NO_VALIDATION, "validation_fraction": 0, "split_seed": 1},
            "no rows are drawn at random",
        ),
        ({"test_path": "t.csv", "test_fraction": 0.3}, "data.test_path names the test rows"),
        ({"validation_path": "v.csv", "validation_fraction": 0.3}, "data.validation_path names"),
        (
            {"test_path": "t.csv", "validation_path": "v.csv", "split": GROUP},
            "split: has no effect: no rows of data.path are for validation or testing",
        ),
        ({"test_path": "t.csv", "validation_path": "v.csv", "split_seed": 1}, "at random"),
        ({"split": GROUP, "target": "id"}, "split.column: 'id' is the target"),
        ({"split": TIME, "weight": "t"}, "split.column: 't' is the column of weights"),
        ({"split": PART, "columns": {"part": "numeric"}}, "columns.part: is the column of the spl"),
        ({"split": GROUP, "columns": {"id": "categorical"}}, "set split.input: true to use it"),
        (
            {"split": GroupSplit(column="id", input=True), "columns": {"id": "ignore"}},
            "split.input: is true, and columns.id is ignore",
        ),
        ({"target": ("y", "z"), "task": "binary", "bins": "none", "max_bins": 3}, "max_bins: has"),
        ({"encoding": "cp1252x"}, "Did you mean 'cp1252'"),
    ],
)
def test_keys_without_effect_and_broken_rules(keys, message):
    with pytest.raises(ValidationError, match=message):
        csv(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"split": GROUP, "test_fraction": 0.3, "validation_fraction": 0.3, "split_seed": 1},
        {"split": TIME, "test_fraction": 0.3, "validation_fraction": 0.3},
        {"split": TIME, "split_seed": 1, "max_rows": 10},
        {"split": TIME, "columns": {"t": "ignore"}},
        {"split": NO_VALIDATION, "validation_fraction": 0.3, "split_seed": 1},
        {"split": NO_VALIDATION, "validation_path": "v.csv"},
        {"split": GROUP, "test_path": "t.csv"},
        {"test_path": "t.csv", "split_seed": 1},
        {"split": GROUP, "columns": {"id": "ignore"}},
    ],
)
def test_keys_that_go_together(keys):
    section = csv(**keys)
    # What is resolved is valid again.
    assert CSV(**section.model_dump()) == section


def test_values_of_a_column():
    for keys, message in (
        ({"train": (0, 1), "test": (1,)}, "test: 1 is also in train"),
        ({"train": (1,), "test": ("1",)}, "test: '1' is also in train"),
        ({"train": ()}, "train: expected at least one value"),
        ({"train": "train"}, "list of values"),
    ):
        with pytest.raises(ValidationError, match=message):
            ColumnSplit(column="part", **keys)
    for value in ("", "d/m/y", [], 3):
        with pytest.raises(ValidationError, match="format of dates"):
            TimeSplit(column="t", format=value)


def test_early_stopping_needs_validation_rows():
    assert csv(validation_fraction=0).why_no_validation == "data.validation_fraction is 0"
    assert csv(validation_path="v.csv").why_no_validation is None
    assert csv(split=PART).why_no_validation is None
    nothing = csv(split=NO_VALIDATION, validation_fraction=0)
    assert nothing.why_no_validation == "data.validation_fraction is 0"
