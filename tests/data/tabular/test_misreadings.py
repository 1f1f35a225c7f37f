"""Columns of text that hold something else."""

import pandas as pd
import pytest

from sparse_keras.data.tabular.misreadings import misreading


@pytest.mark.parametrize(
    "kind, values",
    [
        ("dates", ["2024-01-31", "2023-12-01 10:30:00", "?"]),
        ("dates", ["31.12.2024", "1.1.99"]),
        ("dates", ["12/31/2024", "1/15/2024"]),
        ("dates", pd.to_datetime(["2024-01-31", None])),
        ("numbers", ["$1,200.50", "$3", "$4"]),
        ("several currencies", ["$1,200.50", "€3", "$4"]),
        ("numbers", ["1 %", "2%", "3.5%"]),
        ("numbers", ["1 USD", "2.5 USD", "7 USD"]),
        ("numbers", ["1,5", "2", "-0,25"]),
        ("numbers", ["1,5", "1,125", "1,25"]),
        ("numbers", ["1,200", "950", "2,400,000"]),
        ("numbers", ["1.200,50", "3.000.000,00", "2,5"]),
        ("numbers", ["1 200", "2 500", "3 000"]),
        ("text numbers", ["1.5", "2.5", "3"]),
        ("stray words", [*map(str, range(60)), "n.k."]),
        ("identifiers", [f"name {i}" for i in range(51)]),
        ("free text", [f"the name is {i}" for i in range(51)]),
        ("free text", [f"这家餐厅很好{i}" for i in range(51)]),
        ("dates", ["13:45", "7:05", "23:59"]),
        (None, [f"name {i}" for i in range(50)]),
        (None, [f"name {i % 40}" for i in range(60)]),
        (None, ["01234", "04107", "99999"]),  # zip codes
        (None, ["18-24", "25-34", "35-44"]),
        (None, ["1.2.3", "1.3.0", "14.0.1"]),  # versions
        (None, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        (None, ["S", "M", "L"]),
        ("numbers", ["(488)", "12", "7.5"]),
        ("several units", [f"{i} MB" for i in range(1, 40)] + ["2 GB", "3.5 GB"]),
        ("several units", [f"{i}.5k" for i in range(1, 40)] + ["42,700", "1,200"]),
        (None, [f"{i}th" for i in range(4, 20)] + ["1st", "2nd", "3rd", "21st", "22nd"]),
        (None, ["1 bedroom", "2 bedrooms", "3 bedrooms"]),
        (None, []),
        (None, [None, None]),
        (None, [1.0, 2.0]),
        (None, [True, False]),
        (None, pd.Categorical([f"name {i}" for i in range(51)])),
    ],
)
def test_misreading(kind, values):
    found = misreading(pd.Series(values, name="x"))
    assert (found and found.kind) == kind


def test_a_few_odd_cells_hide_nothing():
    # 1 of 20 distinct values is no date: 95 %. 2 of 21 are too many.
    days = [f"2024-01-{day:02d}" for day in range(1, 20)]
    assert misreading(pd.Series([*days, "unknown"])).kind == "dates"
    assert misreading(pd.Series([*days, "unknown", "never"])) is None


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["1/2/45", "31/12/44", "1/2/99"], "2 are in the future, such as '1/2/45'"),
        (["45%", ".45", "30%"], "numbers without % in 1 row"),
        (["1,234", "5,678", "1,200"], "(1234,5 fits as well, with other numbers)"),
    ],
)
def test_what_may_be_meant_otherwise_is_said(values, shown):
    assert shown in misreading(pd.Series(values, name="x")).reason
