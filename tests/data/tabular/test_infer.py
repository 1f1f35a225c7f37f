"""What a table seems to hold."""

import numpy as np
import pandas as pd
import pytest

from sparse_keras.data.tabular.infer import describe_table

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
        "ratio": [np.inf if i == 4 else i / 7 for i in range(ROWS)],
        "huge": [1e200 if i == 5 else i / 7 for i in range(ROWS)],
        "constant": [1] * ROWS,
        "paid": [i % 5 for i in range(ROWS)],
    }
    described = describe_table(table(**columns), "y")
    assert described.target.task == "binary"
    assert described.ignore == {
        "customer_id": "a different number in each row (an identifier)",
        "row": "a different number in each row (an identifier)",
        "name": "identifiers or free text: 60 distinct values in 60 rows, such as 'name 0'. "
        "Nothing can be learned from it.",
        "empty": "no value",
        "nearly": "values in 2 of 60 rows only",
        "since": "dates, such as '2024-01-31'. "
        "Write numbers into the file, such as the year or the days since.",
        "percent": "numbers with a currency or percent sign, such as '0 %'. "
        "Write plain numbers into the file.",
        "ratio": "inf in row 5",
        "huge": "1e+200 in row 6",
    }


def test_targets():
    assert describe_table(table(), "age").target.task == "multiclass"
    assert describe_table(table(z=np.linspace(0, 1, ROWS)), "z").target.task == "regression"
    with pytest.raises(ValueError, match=r"no column 'Age'. Did you mean 'age'\?"):
        describe_table(table(), "Age")
    with pytest.raises(ValueError, match=r"'z' is missing in 1 of 60 rows"):
        describe_table(table(z=[None, *range(ROWS - 1)]), "z")
