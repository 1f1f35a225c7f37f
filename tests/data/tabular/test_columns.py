"""Which raw values are missing, equal, or refused."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data.tabular.columns import as_frame, category_keys, numeric_values


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, 1]),
        pd.Series([1.0, 1.0]),
        pd.Series(["1", " 1 "]),
        pd.Series([1, "1"], dtype=object),
        pd.Series([1, 1.0], dtype=object),
        pd.Series([1, 1], dtype="category"),
        pd.Series([b"1", np.float32(1)], dtype=object),
    ],
)
def test_whole_numbers_and_their_text_are_the_same_category(values):
    assert category_keys(values).tolist() == ["1", "1"]


def test_other_categories_stay_apart():
    # pandas holds True == 1, a category does not; "01" is a code.
    values = pd.Series([1, True, "01", 1.5, "true", "x", "1.0.0"], dtype=object)
    assert category_keys(values).tolist() == ["1", "true", "01", "1.5", "true", "x", "1.0.0"]


def test_whole_numbers_are_the_same_category_in_every_file(tmp_path):
    """pandas writes whole numbers with a gap among them as 1.0, and reads text if told so."""
    frame = pd.DataFrame({"zip": [1.0, np.nan, 3.0]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = pd.read_csv(tmp_path / "t.csv", dtype=str)["zip"]
    for column in (frame["zip"], text, pd.Series([1, None, 3], dtype="Int64")):
        assert category_keys(column).tolist() == ["1", None, "3"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "", "  ", "?", "<NA>", "nan"])
def test_missing(missing):
    assert category_keys(pd.Series(["a", missing], dtype=object)).tolist() == ["a", None]
    numbers = numeric_values(pd.Series([2, missing], dtype=object))
    assert numbers[0] == 2 and np.isnan(numbers[1])


def test_words_for_missing_are_values_of_text():
    words = pd.Series(["NA", "N/A", "null", "NULL", "None"])
    assert category_keys(words).tolist() == words.tolist()
    assert np.isnan(numeric_values(words)).all()


def test_declared_words_and_numbers():
    numbers = numeric_values(pd.Series(["unknown", " -999 ", "3", "NA"]), ("unknown", -999))
    np.testing.assert_array_equal(numbers, [np.nan, np.nan, 3.0, np.nan])
    np.testing.assert_array_equal(numeric_values(pd.Series([-999, 3]), (-999,)), [np.nan, 3.0])


def test_true_and_false_as_text_are_numbers_as_bools_are():
    assert numeric_values(pd.Series(["True", "false"])).tolist() == [1.0, 0.0]
    assert numeric_values(pd.Series([True, None, False], dtype=object))[[0, 2]].tolist() == [1, 0]


def test_both_forms_of_unicode_are_the_same_category():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert category_keys(pd.Series([composed, decomposed])).tolist() == [composed] * 2


def test_missing_in_typed_columns():
    assert category_keys(pd.Series([1.0, np.nan])).tolist() == ["1", None]
    assert category_keys(pd.Series(["a", None], dtype="category")).tolist() == ["a", None]
    assert category_keys(pd.Series([True, None], dtype="boolean")).tolist() == ["true", None]
    assert np.isnan(numeric_values(pd.Series([3, None], dtype="Int64"))).tolist() == [False, True]


def test_numbers_written_as_text():
    assert numeric_values(pd.Series(["39", " 1e3 "])).tolist() == [39.0, 1000.0]
    with pytest.raises(ValueError, match=r"'age' must hold numbers. Received: 'old' in row 2"):
        numeric_values(pd.Series([39, "old"], name="age", dtype=object))


def test_tables_of_every_kind_agree():
    expected = pd.DataFrame({"a": [1.0], "b": ["x"]})
    tables = [
        pd.DataFrame({"b": ["x"], "c": [9], "a": [1.0]}, index=[7]),
        {"a": [1.0], "b": ("x",), "c": [9]},
        {"a": np.array([1.0]), "b": pd.Series(["x"], index=[3])},
        {"a": 1.0, "b": "x"},
        {"a": np.float32(1.0), "b": np.array("x")},
    ]
    for table in tables:
        frame = as_frame(table, ("a", "b"))
        assert frame.columns.tolist() == ["a", "b"] and frame.index.tolist() == [0]
        assert numeric_values(frame["a"]).tolist() == expected["a"].tolist()
        assert category_keys(frame["b"]).tolist() == ["x"]


@pytest.mark.parametrize(
    "table, message",
    [
        ({"AGE": 1}, r"2 of 2 needed columns are missing: 'age', 'sex'. Did you mean 'AGE'\?"),
        ({"age": [1, 2], "sex": ["m"]}, r"equally long. Received 1 values for 'sex' and 2"),
        ({"age": [1, 2], "sex": "m"}, r"a scalar for 'sex' and a column for 'age'"),
        ([{"age": 1}], r"Received: list. For a list of rows, pass pandas.DataFrame"),
        (pd.DataFrame([[1, 2, 3]], columns=["age", "age", "sex"]), r"Received twice: 'age'"),
    ],
)
def test_bad_tables(table, message):
    with pytest.raises(ValueError, match=message):
        as_frame(table, ("age", "sex"))
