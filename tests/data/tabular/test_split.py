"""How rows were split, in words; classes that a part lacks; rows in two parts."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data import MultiTarget, Target
from sparse_keras.data.tabular.split import Split, repeated_rows, warn_of_absent_classes

COLOURS = Target("colour", "multiclass", ("blue", "green", "red"))


def test_in_words():
    drawn = Split("random", drawn=("test", "validation"), seed=3)
    assert str(drawn) == "split at random, seed 3" and drawn.fixed == ()
    parts = {"test": {"file": "t.csv"}}
    official = Split("official", drawn=("validation",), seed=0)
    assert str(official) == "test rows of the publisher (validation drawn at random), seed 0"
    assert official.fixed == ("test",)
    assert str(Split("random", parts=parts)) == "split at random (test from t.csv)"
    sample = Split("time", "t", ("sample",), 1, {"test": {"first": "1", "last": "1"}}, ("a note",))
    assert sample.fixed == ()
    assert sample.to_dict() == {
        "type": "time",
        "column": "t",
        "drawn": ["sample"],
        "seed": 1,
        "parts": {"test": {"first": "1", "last": "1"}},
        "notes": ["a note"],
        "description": "split by time 't' (test 1), a note, of a random sample of the rows, seed 1",
    }


def colours(*values):
    return pd.DataFrame({"colour": values, "y": [0.5] * len(values)})


def test_a_part_without_a_class():
    frames = {"train": colours("red", "blue"), "test": colours("red", "green", "green")}
    with pytest.warns(UserWarning) as caught:
        warn_of_absent_classes(COLOURS, frames)
    assert [str(one.message) for one in caught] == [
        "The train rows have no 'colour' of 'green' (2 test rows have it): they cannot be learned.",
        "The test rows have no 'colour' of 'blue' (1 train rows have it): they do not count in its "
        "metrics.",
    ]
    two = Target("colour", "binary", ("blue", "red"))
    frames = {"train": colours("red", "red"), "test": colours("red", "blue")}
    for target in (two, MultiTarget("both", (two, Target("y", "regression")))):
        with pytest.raises(ValueError, match=r"no 'colour' of 'blue' \(1 test .*can be learned"):
            warn_of_absent_classes(target, frames)


def test_a_part_without_a_label():
    target = Target("labels", "multilabel", ("a", "b"))
    frames = {
        "train": pd.DataFrame({"a": [0, 1], "b": [1, 0]}),
        "validation": pd.DataFrame({"a": [0, 1], "b": [0, 0]}),
    }
    with pytest.warns(UserWarning, match=r"validation rows have no row with the label 'b' \(1 tra"):
        warn_of_absent_classes(target, frames)


def test_repeated_rows_against_a_loop():
    rng = np.random.default_rng(0)

    def rows(count, dtype):
        return pd.DataFrame(
            {
                "n": rng.integers(0, 4, count).astype(dtype),
                "city": pd.Categorical(rng.choice(["Rome", "Bonn", None], count)),
                "other": rng.normal(size=count),
            }
        )

    # The types of columns and the orders of categories may differ.
    frames = {"train": rows(6, "int64"), "validation": rows(2, "int64"), "test": rows(40, float)}
    frames["test"].loc[0, "n"] = np.nan
    key = [
        {tuple(map(str, row)) for row in frames[part][["n", "city"]].astype(object).values.tolist()}
        for part in ("train", "validation")
    ]
    test = frames["test"][["n", "city"]].values.tolist()
    looped = sum((str(int(n)) if n == n else "", str(city)) in key[0] | key[1] for n, city in test)
    assert 0 < looped < 40
    assert repeated_rows(frames, ("n", "city")) == looped
    assert repeated_rows(frames, ("n", "city", "other")) == 0
