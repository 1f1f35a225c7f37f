"""Excel workbooks."""

import datetime
import sys

import numpy as np
import openpyxl
import pandas as pd
import pytest

from sparse_keras.data import READERS
from sparse_keras.data.tabular.table_files import iter_table, open_table, read_table, sample_rows

ROWS = [
    ["id", "when", "member", "rate", "code", "error", "name"],
    [1, datetime.datetime(2024, 5, 1, 12), True, 0.1, "007", "#N/A", "x"],
    [2, datetime.date(2024, 5, 2), False, 0.2, "12", 3, None],
    [],
    [3, None, True, None, "5", 4, "y"],
]


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes sheets of rows, by their names."""

    def write(name="x.xlsx", **sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / name)
        return tmp_path / name

    return write


def test_values_keep_their_types(write):
    path = write(A=ROWS, Empty=[], Blank=[[None, "  "]])
    frame = read_table(path)
    # Row 3 of the sheet's data is blank: the others keep their number.
    assert list(frame.index) == [0, 1, 3]
    assert frame["when"].tolist()[:2] == [
        pd.Timestamp("2024-05-01 12:00"),
        pd.Timestamp("2024-05-02"),
    ]
    assert pd.isna(frame["when"].iloc[2]) and frame["when"].dtype.kind == "M"
    assert frame["member"].dtype == bool and frame["id"].dtype.kind == "i"
    assert frame["rate"].isna().tolist() == [False, False, True]
    assert frame["code"].tolist() == ["007", "12", "5"]
    assert frame["error"].tolist() == ["#N/A", 3, 4]
    chunks = list(iter_table(path, 2))
    assert [list(chunk.index) for chunk in chunks] == [[0, 1], [3]]
    assert sample_rows(open_table(path), 9, seed=0, chunk_rows=1).equals(frame)
    missing = read_table(path, missing=["#N/A"])["error"]
    assert missing.dtype == float and np.isnan(missing.iloc[0])


def test_the_same_table_as_pandas_reads(write):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.normal(size=50), "c": rng.choice(["a", "b"], 50)})
    path = write(A=[list(frame), *frame.to_numpy().tolist()])
    pd.testing.assert_frame_equal(read_table(path), pd.read_excel(path, engine="openpyxl"))


def test_row_numbers_without_a_name(write):
    frame = read_table(write(A=[[None, "a", "b"], [0, 1, 2], [1, 3, 4]]))
    assert frame.to_dict("list") == {"unnamed_1": [0, 1], "a": [1, 3], "b": [2, 4]}


def test_sheets_and_headers(write):
    table = [["Customers", None, None], [], [None, "a", "b"], [None, 1, 2], [None, 3, 4]]
    path = write(Notes=[["see the other sheet"]], Data=table)
    with pytest.raises(ValueError, match=r"has 2 sheets: 'Notes', 'Data'. Set data.sheet"):
        read_table(path)
    with pytest.raises(ValueError, match=r"no sheet 'data'. Did you mean 'Data'\? Its sheets: 'N"):
        read_table(path, sheet="data")
    with pytest.raises(
        ValueError, match=r"sheet 'Data': the header, row 1, has no name for column B"
    ):
        read_table(path, sheet="Data")
    frame = read_table(path, sheet="Data", header_row=3)
    assert frame.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    path = write(A=[[], ["a", "b"], [1, 2]])
    with pytest.raises(ValueError, match=r"row 1, is empty. Is it row 2\? Set data.header_row: 2"):
        read_table(path)
    with pytest.raises(
        ValueError, match=r"has no name for column C, in which row 4 has the val.*7"
    ):
        read_table(write(A=[["a", "b"], [1, 2], [3, 4], [5, 6, 7]]))


@pytest.mark.parametrize(
    "rows, message",
    [
        ([["a", "a"], [1, 2]], "distinct. Received twice: 'a'"),
        ([["a", "b"]], "has no rows"),
        ([], "has no rows"),
        ([["a", "b"], [1, "=A2*2"], [2, "=A3*2"]], r"'b' holds formulas such as '=A2\*2' without"),
    ],
)
def test_sheets_that_are_no_table(write, rows, message):
    with pytest.raises(ValueError, match=rf"x.xlsx.*{message}"):
        read_table(write(A=rows))


def test_files_that_are_no_workbook(tmp_path, monkeypatch, write):
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(512))
    with pytest.raises(ValueError, match=r"encrypted, or an old workbook \(.xls\)"):
        read_table(path)
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(ValueError, match="x.xlsx cannot be read as an Excel file"):
        read_table(path)
    (tmp_path / "x.xls").write_bytes(b"")
    with pytest.raises(ValueError, match="Save it as .xlsx in the spreadsheet program"):
        read_table(tmp_path / "x.xls")
    path = write(A=ROWS)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        ValueError, match="x.xlsx: Excel needs another package: pip install openpyxl"
    ):
        read_table(path)


def test_a_row_far_below(write):
    """As a stray cell at the end of a sheet, which makes it as long as that."""
    rows = [["a", "b"], [1, 2]]
    path = write(A=rows)
    book = openpyxl.load_workbook(path)
    book["A"].cell(20_000, 1, 5)
    book.save(path)
    assert list(read_table(path).index) == [0, 19_998]


def test_the_reader(write, file_options):
    rows = [["Title"], ["age", "since", "churned"]]
    rows += [[i, datetime.date(2024, 1, 1 + i % 28), "yes" if i % 3 else "no"] for i in range(40)]
    path = write(A=rows, B=[["x"]])
    raw = READERS["excel"](file_options(path, sheet="A", header_row=2))
    assert (len(raw.train), len(raw.test)) == (30, 10)
    assert raw.train["since"].dtype.kind == "M"
    with pytest.raises(ValueError, match="x.xlsx is not a CSV file. Read it with data.type: excel"):
        READERS["csv"](file_options(path))
