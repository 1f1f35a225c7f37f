"""What a table seems to hold."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data.tabular.describe import describe_table

ROWS = 60


def table(**columns):
    return pd.DataFrame({"age": [i % 7 for i in range(ROWS)], "y": ["no", "yes"] * 30} | columns)


def test_what_is_ignored_and_why():
    columns = {
        "customer_id": np.arange(ROWS)[::-1] * 3,
        "row": range(ROWS),
        "price": np.arange(ROWS)[::-1] * 3,  # distinct, but neither counted nor called an id
        "name": [f"name {i}" for i in range(ROWS)],
        "empty": [None] * ROWS,
        "nearly": [1.0, 2.0] + [np.nan] * (ROWS - 2),
        "since": ["2024-01-31"] * ROWS,
        "percent": [f"{i % 9} %" for i in range(ROWS)],
        "huge": [1e200 if i == 5 else i / 7 for i in range(ROWS)],
        "constant": [1] * ROWS,
        "paid": [i % 5 for i in range(ROWS)],
    }
    described = describe_table(table(**columns), "y")
    assert described.target.task == "binary"
    assert {one.name: one.why for one in described.columns if one.kind == "ignore"} == {
        "customer_id": "a different number in each row (an identifier)",
        "row": "a different number in each row (an identifier)",
        "name": "identifiers: 60 distinct values in 60 rows, such as 'name 0'",
        "empty": "no value",
        "nearly": "values in 2 of 60 rows only",
        "huge": "1e+200 in row 6",
    }
    # The target comes first, then what is left out, then what is declared.
    kinds = [one.kind for one in described.columns]
    assert kinds == ["target", *["ignore"] * 6, "date", "numeric", *["numeric"] * (len(kinds) - 9)]
    assert {name: one for name, one in described.settings.items() if one != "ignore"} == {
        "since": {"type": "date", "format": "%Y-%m-%d"},
        "percent": {"type": "numeric", "unit": "%"},
    }


def test_what_a_column_holds_is_counted():
    columns = {
        "income": [f"${1000 * i:,.2f}" for i in range(ROWS - 2)] + [None, "unknown"],
        "notes": [f"the {i}th customer called {w}" for i in range(3) for w in range(20)],
        "day": [f"{i % 9 + 1:02d}/{i % 7 + 1:02d}/2024" for i in range(ROWS)],
    }
    described = {one.name: one for one in describe_table(table(**columns), "y").columns}
    income, notes, day = (described[name] for name in columns)
    assert (income.kind, income.distinct, income.missing, income.words) == (
        "numeric", 58, 2, ("unknown",),
    )  # fmt: skip
    assert income.setting == {"type": "numeric", "unit": "$", "thousands": ","}
    assert (income.example, notes.kind) == ("$0.00", "text")
    assert notes.setting == {"type": "text", "ngram_max": 1, "min_df": 5}
    assert day.setting["format"] == "%m/%d/%Y" and "cannot be told apart" in day.why


def test_targets():
    assert describe_table(table(), "age").target.task == "multiclass"
    assert describe_table(table(z=np.linspace(0, 1, ROWS)), "z").target.task == "regression"
    with pytest.raises(ValueError, match=r"no column 'Age'. Did you mean 'age'\?"):
        describe_table(table(), "Age")
    with pytest.raises(ValueError, match=r"'z' is missing in every row"):
        describe_table(table(z=[None] * ROWS), "z")
    with pytest.raises(ValueError, match=r"'z' holds a different number in each row"):
        describe_table(table(z=range(ROWS)), "z")


def test_words_among_the_numbers_of_a_target_are_declared():
    words = ["unknown" if i % 30 == 0 else str(i % 9 * 1.5) for i in range(ROWS)]
    described = describe_table(table(z=words), "z")
    assert described.target.task == "regression" and described.missing == {"z": ("unknown",)}
    assert described.without_target == 2


def test_why_a_target_has_its_task():
    counts = describe_table(table(z=[i % 17 for i in range(ROWS)]), "z")
    assert counts.target.task == "multiclass"
    assert counts.why == (
        "it has 17 distinct whole numbers (up to 50 are classes); set task: regression if they are "
        "counts or amounts"
    )
    ratings = describe_table(table(z=[1.0 + i % 5 for i in range(ROWS)]), "z")
    assert ratings.target.task == "regression"
    assert ratings.why == "it has 5 numbers with decimals; set task: multiclass if they are classes"


def test_rows_without_a_target_are_counted():
    described = describe_table(table(z=[None, "a", "b"] * 20), "z")
    assert (described.without_target, described.target.classes) == (20, ("a", "b"))


def test_classes_that_differ_in_case_are_one():
    described = describe_table(table(z=["Yes", "no", "yes", "No", "yes", "no"] * 10), "z")
    assert described.ignore_case and described.target.classes == ("no", "yes")


def test_words_are_noted_where_they_are_values_and_declared_among_numbers():
    columns = {
        "color": ["red", "None", "blue"] * 20,
        "visits": ["unknown" if i % 30 == 0 else str(i % 9) for i in range(ROWS)],
    }
    described = describe_table(table(**columns), "y")
    assert described.missing == {"visits": ("unknown",)} and not described.settings
    assert described.notes == {
        "y": "positive class 'yes', 50.0% of the rows",
        "color": "taken for a category: 'None' (20 rows); list it in data.missing if it means "
        "missing",
        "visits": "9 distinct numbers, and 'unknown' in 2 rows; data.missing makes them missing "
        "values",
    }


def test_what_may_mean_missing_and_many_categories_are_noted():
    columns = {
        "seats": [-999 if i % 10 == 0 else i % 7 for i in range(600)],
        "year": [9999 if i % 10 == 0 else 1990 + i % 30 for i in range(600)],
        "grade": [["1", "2", "3", "unknown"][i % 4] for i in range(600)],
        "time": [f"{i % 240 // 10}:{i % 240}" for i in range(600)],
        "fine": [i % 50 - 9 for i in range(600)],
    }
    frame = pd.DataFrame({"y": ["a", "b", "-"] * 200} | columns)
    assert describe_table(frame, "y").notes == {
        "y": "'-' is most frequent, 33.3% of the rows; "
        "taken for a class: '-' (200 rows); list it in data.missing if it means missing",
        "seats": "-999 in 60 rows, far from the other values; list it in data.missing if it means "
        "missing",
        "year": "9999 in 60 rows, far from the other values; list it in data.missing if it means "
        "missing",
        "grade": "taken for a category: 'unknown' (150 rows); list it in data.missing if it means "
        "missing",
        "time": "240 categories in 600 rows; 240 of them in fewer than 20 rows, too few to learn "
        "from, share one",
    }


def test_rare_classes_are_noted():
    described = describe_table(table(z=["a", "b", "c"] * 19 + ["d", "d", "e"]), "z")
    assert described.notes["z"].endswith(
        "; too few rows to learn and to test: 'd' (2 rows), 'e' (1 row)"
    )


@pytest.mark.parametrize("change", ["gap", "repeated", "missing", "named", "left_out"])
def test_identifiers_with_exceptions(change):
    values = np.arange(3000.0)
    if change == "gap":
        values[1500:] += 7
    if change == "repeated":
        values[1:6] = values[0]
    if change == "missing":
        values[40] = np.nan
    if change == "named":
        values = np.random.default_rng(0).permutation(values)
        values[:5] = 3
    frame = pd.DataFrame({"user_id" if change == "named" else "n": values, "y": ["a", "b"] * 1500})
    if change == "left_out":
        frame.loc[::20, "y"] = None
    (column,) = describe_table(frame, "y").columns[1:]
    assert (column.kind, column.why) == ("ignore", "a different number in each row (an identifier)")


def test_the_rare_class_is_the_positive_one():
    described = describe_table(table(z=["Bad"] * 6 + ["good"] * (ROWS - 6)), "z")
    assert described.target.classes == ("good", "Bad") and described.positive == "Bad"
    assert described.has_rare_class and described.notes["z"] == (
        "positive class 'Bad', 10.0% of the rows"
    )
    # In alphabetical order whatever the case, so that nothing needs to be set.
    described = describe_table(table(z=["Yes"] * 6 + ["no"] * (ROWS - 6)), "z")
    assert described.target.classes == ("no", "Yes") and described.positive is None
    described = describe_table(table(z=["a", "b"] * (ROWS // 2)), "z")
    assert described.positive is None and not described.has_rare_class


def test_a_few_infinite_cells_are_declared_missing():
    x = np.arange(100) / 4
    frame = pd.DataFrame({"x": x, "all": x, "y": np.arange(100) % 2})
    frame.loc[3:4, "x"], frame.loc[5, "x"] = np.inf, -np.inf
    frame["all"] = np.inf
    described = {column.name: column for column in describe_table(frame, "y").columns}
    assert described["x"].words == (-np.inf, np.inf) and described["x"].kind == "numeric"
    assert described["x"].missing == 3
    assert described["all"].kind == "ignore"


def test_unspaced_text_is_read_by_its_characters():
    texts = [f"这家餐厅的菜很好吃,第{i}次来了" for i in range(60)]
    frame = pd.DataFrame({"notes": texts, "y": np.arange(60) % 2})
    (_, notes) = describe_table(frame, "y").columns
    assert notes.setting == {"type": "text", "ngram_max": 0, "char_ngram_max": 4}


def test_columns_without_a_name_are_left_out():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"unnamed_1": rng.permutation(60), "x": range(60), "y": [0, 1] * 30})
    described = describe_table(frame.assign(x=rng.normal(size=60)), "y")
    assert described.settings == {"unnamed_1": "ignore"}


def test_whole_numbers_that_all_differ_are_noted():
    n = np.random.default_rng(0).permutation(3000)
    described = describe_table(pd.DataFrame({"customer": n, "y": ["a", "b"] * 1500}), "y")
    assert described.columns[1].kind == "numeric"
    assert "a different whole number in each row" in described.notes["customer"]
