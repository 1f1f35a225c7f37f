"""The user's own file, and everything that can be wrong with it."""

import re

import pandas as pd
import pytest
from ruamel.yaml import YAML

from sparse_keras.data import READERS
from sparse_keras.schema.sections.tabular.columns import column_kinds

ROWS = "".join(f"{20 + i},city{i % 3},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(40))
GOOD = "age,city,churned\n" + ROWS


@pytest.fixture
def read(tmp_path, file_options):
    """Writes `text` to churn.csv and reads it."""

    def read_text(text=GOOD, **changes):
        path = tmp_path / "churn.csv"
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return READERS["csv"](file_options(**({"path": path} | changes)))

    return read_text


def test_read(read):
    raw = read()
    assert raw.name == "churn" and raw.target.classes == ("no", "yes")
    assert (len(raw.train), len(raw.test)) == (30, 10)
    assert raw.train.columns.tolist() == ["age", "city", "churned"]
    # A quarter of the 10 "yes" and of the 30 "no" is 2.5 and 7.5: ten rows either way.
    assert (raw.test.churned == "yes").sum() in (2, 3)


def test_spellings_of_the_same_table(read):
    expected = read().train
    variants = {
        "blanks": (GOOD.replace(",", ", "), ","),
        "semicolons": (GOOD.replace(",", ";"), ";"),
        "byte order mark": ("\ufeff" + GOOD, ","),
        "Windows lines": (GOOD.replace("\n", "\r\n"), ","),
        "trailing separators": ("age,city,churned\n" + ROWS.replace("\n", ",\n"), ","),
    }
    for name, (text, separator) in variants.items():
        assert read(text, separator=separator).train.equals(expected), name


def test_missing_cells(read):
    raw = read(GOOD.replace("20,city0", ",?").replace("21,city1", "NA,<NA>"))
    assert raw.train.age.isna().sum() + raw.test.age.isna().sum() == 2
    assert raw.train.city.isna().sum() + raw.test.city.isna().sum() == 2
    assert raw.train.age.dtype == "float64"


@pytest.mark.parametrize(
    "text, changes, message",
    [
        (None, {}, r"churn.csv does not exist"),
        ("", {}, r"churn.csv is empty"),
        ("age,city,churned\n", {}, r"churn.csv has no rows"),
        (GOOD, {"target": "Churn"}, r"target column 'Churn'. Did you mean 'churned'\?.*'age', 'ci"),
        (GOOD, {"separator": ";"}, r"one column. Is .* ';' right\? Did you mean ','\?"),
        (GOOD.replace("20,", "20,5,").replace(",", ";"), {}, r"Did you mean ';'\?"),
        ("1,2,3\n" + ROWS, {}, r"The first line must hold the names of the columns"),
        (GOOD.replace("25,", "inf,"), {}, r"'age' must hold finite .* inf in row 6 .*Leave those"),
        (GOOD, {"columns": {"agee": "ignore"}}, r"data.columns names 'agee'.* mean 'age'\?"),
        (
            GOOD,
            {"columns": {"city": "numeric"}},
            r"'city' must hold numbers. Received: 'city0' in row 1",
        ),
        (GOOD + "70,city1,1.5\n", {"task": "regression"}, r"must hold numbers for task"),
        (GOOD + "1,2,3,4,5\n", {}, r"churn.csv, line 42: expected 3 cells, as in .* Received: 5\."),
        (GOOD + '"1\n2",2,3\n4,5,6,7\n', {}, r"line 44: expected 3 cells, as in .* Received: 4\."),
        (
            "age,city,churned\n1,a,no,x\n2,b,yes,y\n",
            {},
            r"line 2: expected 3 cells.* Received: 4\.",
        ),
        (
            GOOD + '70,"city1,no\n',
            {},
            r"churn.csv, line 42: a quote opens here, and none closes it",
        ),
        (GOOD, {"separator": "é"}, r"one ASCII character .* Received: 'é'. .*Did you mean ','\?"),
        (GOOD, {"separator": '"'}, r"one ASCII character .* Received: '\"'"),
        (GOOD, {"separator": ""}, r"one ASCII character .* Received: ''"),
        (GOOD, {"decimal": "٫"}, r"decimal point is one ASCII character .* Received: '٫'"),
        (GOOD, {"decimal": ","}, r"decimal point ',' is also the separator"),
        (GOOD.replace("city,", "age,"), {}, r"names must be distinct. Received twice: 'age'"),
        (GOOD.replace("age,", ",", 1), {}, r"'unnamed_1' has no name.*\{unnamed_1: ignore\}"),
        ((GOOD + "70,Köln,no\n").encode("latin-1"), {}, r"churn.csv, line 42: .*0xf6 at position"),
        (GOOD + "70,city1,\n71,city1,?\n", {}, r"'churned' is missing in 2 of 42 rows, .* row 41"),
        (GOOD.replace("yes", "no"), {}, r"at least two values. Received 1 distinct value: 'no'"),
        (GOOD, {"task": "regression"}, r"must hold numbers for task 'regression'"),
        (
            "age,x,churned\n1,,no\n2,,yes\n3,,no\n",
            {},
            r"column 'x' has no value.* Remove it.*\{x: ignore\}",
        ),
        ("age,churned\n1,no\n2,yes\n", {}, r"test_fraction: 0.25 of 2 rows leaves 0 rows held"),
    ],
)
def test_files_that_cannot_be_used(read, text, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        read(text, **changes)
    assert "churn.csv" in str(error.value)


def test_a_misspelt_path(read, tmp_path):
    read()
    with pytest.raises(ValueError, match=r"chrun.csv does not exist. Did you mean 'churn.csv'\?"):
        read(path=str(tmp_path / "chrun.csv"))


def test_the_row_of_a_missing_number_to_predict(read):
    text = "x,churned\n" + "".join(f"1,{i}.5\n" for i in range(60)) + "2,inf\n"
    with pytest.raises(ValueError, match=r"churn.csv: Target .* first in row 61 "):
        read(text)


SPELLINGS = {
    "dates": [f"2024-01-{i % 28 + 1:02d}" for i in range(40)],
    "days": [f"{i % 28 + 1}/2/24" for i in range(40)],
    "percent": [f"{i} %" for i in range(40)],
    "money": [f"${i}.50" for i in range(40)],
    "thousands": [f'"1,{100 + i}"' for i in range(40)],
    "comma": [f'"{i},5"' for i in range(40)],
}


@pytest.mark.parametrize(
    "spelling, message",
    [
        ("dates", r"dates, such as '2024-01-01'\..*\{x: \{type: date, format: \"%Y-%m-%d\"\}\}"),
        ("days", r"dates, such as '1/2/24'\..*\{x: \{type: date, format: \"%d/%m/%y\"\}\}"),
        ("percent", r"numbers such as '0 %'\..*\{x: \{type: numeric, unit: \"%\"\}\}"),
        ("money", r"numbers such as '\$0.50'\..*\{x: \{type: numeric, unit: \"\$\"\}\}"),
        ("thousands", r"numbers such as '1,100' \(.*\{x: \{type: numeric, thousands: \",\"\}\}"),
        ("comma", r"numbers such as '0,5'\..*\{x: \{type: numeric, decimal: \",\"\}\}"),
    ],
)
def test_what_would_be_misread_is_refused_until_its_kind_is_said(read, spelling, message):
    lines = [f"{x},{row}" for x, row in zip(SPELLINGS[spelling], ROWS.split(), strict=True)]
    text = "\n".join(["x,age,city,churned", *lines])
    with pytest.raises(ValueError, match=f"column 'x' holds {message}") as error:
        read(text)
    setting = re.search(r"Set data.columns: (.*)\.\n", str(error.value))[1]
    raw = read(text, columns=column_kinds(YAML(typ="safe").load(setting)))
    assert raw.train["x"].dtype.kind in "fM" and raw.train["x"].notna().all()
    assert "x" not in read(text, columns={"x": "ignore"}).train
    raw = read(text, columns={"x": "categorical"})
    assert raw.train["x"].dtype == "category"
    assert raw.train["x"].iloc[0] == SPELLINGS[spelling][0].strip('"')


def test_identifiers_are_refused(read):
    header, *rows = (GOOD + ROWS).strip().splitlines()
    text = "\n".join([f"name,{header}", *(f"n{i},{row}" for i, row in enumerate(rows))])
    with pytest.raises(ValueError, match=r"'name' holds identifiers: 80 distinct values in 80"):
        read(text)
    assert len(read(text, columns={"name": "ignore"}).train) == 60


def test_decimal_comma(read):
    german = GOOD.replace(",", ";").replace("20;", "20,5;")
    age = read(german, separator=";", decimal=",").train["age"]
    assert age.dtype == "float64" and 20.5 in age.tolist()
    # Forgetting `decimal` is a column of numbers with a stray word, or a decimal comma.
    header, *rows = german.splitlines()
    rows = [row.replace(";", ",25;", 1) for row in rows[1:]]
    with pytest.raises(ValueError, match=r"'age' holds numbers such as '2\d,25'.*decimal: \",\""):
        read("\n".join([header, *rows]), separator=";")
    points = GOOD.replace("20,", "20.5,").replace(",", ";")
    with pytest.raises(ValueError, match=r"numbers stored as text, such as '20.5'.*age: numeric"):
        read(points, separator=";", decimal=",")


def test_a_target_with_a_decimal_comma_is_refused(read):
    text = "x;churned\n" + "".join(f"{i};{i},5\n" for i in range(40))
    with pytest.raises(ValueError, match=r"target 'churned' holds numbers such as '0,5'.*decimal"):
        read(text, separator=";")


def test_kinds(read):
    text = GOOD.replace("20,", "007,").replace("21,", ",")
    train = read(text, columns={"age": "categorical", "city": "ignore"}).train
    assert train.columns.tolist() == ["age", "churned"]
    assert {"007", "22"} < set(train["age"].cat.categories) and train["age"].isna().sum() <= 1
    stray = "x,churned\n" + "".join(f"{'?' if i == 3 else i},{i % 2}\n" for i in range(80))
    assert read(stray, columns={"x": "numeric"}).train["x"].dtype == "float64"


def test_labels(read):
    text = "x,a,b\n" + "".join(f"{i},{i % 2},{i % 3 == 0}\n" for i in range(12))
    raw = read(text, target=("a", "b"))
    assert (raw.target.name, raw.target.task, raw.target.classes) == (
        "labels",
        "multilabel",
        ("a", "b"),
    )
    assert raw.target.encode(raw.train)[:, 1].sum() + raw.target.encode(raw.test)[:, 1].sum() == 4
    with pytest.raises(ValueError, match=r"Label 'b' must be 0 or 1 .*: yes in row 1 .* 3 more"):
        read(text.replace("True", "yes"), target=("a", "b"))
    with pytest.raises(
        ValueError, match=r"target 'a', 'b' is missing in 1 of 12 rows, first in row 2"
    ):
        read(text.replace("1,1,", "1,,", 1), target=("a", "b"))
    with pytest.raises(ValueError, match=r"Label 'b' must be 0 in some .* Received 0 in all 12"):
        read(text.replace("True", "False"), target=("a", "b"))
    with pytest.raises(ValueError, match=r"expected a target column 'c'"):
        read(text, target=("a", "c"))
    # Only an array stands for its columns.
    with pytest.raises(ValueError, match=r"expected a target column 'a'"):
        read(text.replace("x,a,b", "x,a_0,a_1"), target="a")


def test_max_rows(read):
    whole = read(split := GOOD.replace("20,", "020,"), max_rows=40)
    pd.testing.assert_frame_equal(whole.train, read(split).train)
    part = read(max_rows=16)
    assert len(part.train) + len(part.test) == 16
    assert part.train["age"].is_monotonic_increasing and part.train["age"].dtype == "int64"
    assert set(read(max_rows=16, split_seed=1).train["age"]) != set(part.train["age"])


def test_a_message_about_a_sampled_row_counts_the_rows_of_the_file(read):
    text = GOOD + "inf,city0,no\n" * 100
    with pytest.raises(ValueError, match=r"inf in row (4[1-9]|[5-9]\d|1\d\d) "):
        read(text, max_rows=60)


def test_rows_of_a_sample_are_read_as_the_file_is(read):
    """A sample goes through text once more, which has cells with line breaks and outer blanks."""
    cells = ['"a\rb"', '"a\nb"', '" a"', '"a\r\nb"', '"a;""b"'] * 8
    rows = [f"{cell},{row}," for cell, row in zip(cells, ROWS.split(), strict=True)]
    text = "\n".join(["note,age,city,churned", *rows])
    whole = read(text)
    assert set(whole.train["note"]) == {"a\rb", "a\nb", "a", "a\r\nb", 'a;"b'}  # "a" without blank
    pd.testing.assert_frame_equal(read(text, max_rows=40).train, whole.train)
    assert len(read(text, max_rows=16).train) == 12


def test_a_class_called_none_is_a_class(read):
    words = ["Apnea", "Insomnia", "None"]
    text = "age,color,churned\n" + "".join(
        f"{20 + i},{['None', 'red', 'NA', 'blue'][i % 4]},{words[i % 3]}\n" for i in range(60)
    )
    raw = read(text)
    assert raw.target.classes == ("Apnea", "Insomnia", "None")
    assert len(raw.train) + len(raw.test) == 60
    assert set(raw.train["color"]) == {"None", "red", "NA", "blue"}
    # Declared, they are missing: the rows without a target raise an error, or are dropped.
    with pytest.raises(ValueError, match=r"'churned' is missing in 20 of 60 rows, first in row 3 "):
        read(text, missing=("None",))
    dropped = read(text, missing={"churned": ("None",)}, missing_target="drop")
    assert dropped.dropped == 20 and dropped.target.classes == ("Apnea", "Insomnia")
    assert "None" in set(dropped.train["color"])


def test_words_among_numbers_are_refused_until_they_are_declared(read):
    """The same answer for few and for many distinct numbers."""
    for distinct in (7, 70):
        rows = [("unknown" if i % 50 == 7 else i % distinct, i % 2) for i in range(200)]
        text = "age,churned\n" + "".join(f"{age},{y}\n" for age, y in rows)
        with pytest.raises(ValueError, match=r"'unknown' in 4 rows.*data.missing: \{age: \[unkn"):
            read(text)
        age = read(text, missing={"age": ("unknown",)}).train["age"]
        assert age.dtype == "float64" and age.isna().sum() in (2, 3, 4)


def test_a_target_of_numbers_with_a_few_words(read):
    text = "age,churned\n" + "".join(
        f"{i},{'unknown' if i % 50 == 7 else i % 41}\n" for i in range(300)
    )
    with pytest.raises(ValueError, match=r"target 'churned' holds 41 distinct numbers, and 'unkn"):
        read(text)
    raw = read(text, missing={"churned": ("unknown",)}, missing_target="drop", task="regression")
    assert raw.dropped == 6 and raw.target.task == "regression"


def test_sentinels_are_missing_in_their_column(read):
    text = "age,debt,churned\n" + "".join(
        f"{-999 if i < 10 else i},{-999 if i < 20 else i},{i % 2}\n" for i in range(40)
    )
    raw = read(text, missing={"age": (-999,)})
    table = pd.concat([raw.train, raw.test])
    assert (table["age"].isna().sum(), table["debt"].isna().sum()) == (10, 0)
    raw = read(text, missing=(-999,))
    assert pd.concat([raw.train, raw.test])["debt"].isna().sum() == 20
    with pytest.raises(ValueError, match=r"data.missing names 'Age'.*Did you mean 'age'\?"):
        read(text, missing={"Age": (-999,)})


def test_codes_with_leading_zeros_stay_text(read, tmp_path):
    # The only leading zero may be in the last row, and some cells may be empty.
    codes = [*(str(10001 + i % 5) for i in range(58)), "", "00501"]
    text = "age,zip,churned\n" + "".join(f"{i},{code},{i % 2}\n" for i, code in enumerate(codes))
    raw = read(text)
    assert set(pd.concat([raw.train, raw.test])["zip"].dropna()) == set(codes) - {""}
    sample = read(text, max_rows=60)
    assert set(pd.concat([sample.train, sample.test])["zip"].dropna()) == set(codes) - {""}
    assert read(text, columns={"zip": "numeric"}).train["zip"].max() == 10005


def test_classes_in_two_cases(read):
    text = GOOD.replace("no\n", "No\n", 3)
    message = r"differ in case only: 'no' \(27 rows\) and 'No' \(3 rows\). Set `ignore_case`"
    with pytest.raises(ValueError, match=message):
        read(text)
    merged = read(text, ignore_case=True)
    assert merged.target.classes == ("no", "yes")
    assert merged.target.encode(merged.train).sum() == (merged.train.churned == "yes").sum()
    assert read(text, ignore_case=False).target.classes == ("No", "no", "yes")


def test_a_target_that_is_an_identifier(read):
    text = "age,churned\n" + "".join(f"{i % 9},n{i}\n" for i in range(300))
    with pytest.raises(ValueError, match=r"300 classes in 300 rows, such as 'n0'.*identifier"):
        read(text)


@pytest.mark.parametrize("name", ["churn.csv.zip", "churn.xlsx", "churn.json"])
def test_a_file_in_another_format(read, tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04\xff")
    with pytest.raises(
        ValueError, match=f"{name} is not a CSV file. .*(unzip|type: excel|read_json)"
    ):
        read(path=str(tmp_path / name))


def test_the_positive_class(read):
    assert read(GOOD).target.classes == ("no", "yes")
    assert read(GOOD, positive="no").target.classes == ("yes", "no")
    assert read(GOOD, positive="NO").target.classes == ("yes", "no")
    numbers = GOOD.replace("yes", "1").replace("no", "0")
    assert read(numbers, positive=0).target.classes == (1, 0)
    with pytest.raises(ValueError, match=r"positive must be one of .*'yse'.*Did you mean 'yes'"):
        read(GOOD, positive="yse")
    with pytest.raises(ValueError, match=r"'city' is multiclass. Leave it out"):
        read(GOOD, target="city", positive="city0")


def test_separators_that_pandas_would_parse(read):
    # "1.250" is a float for pandas, 1250 by its format.
    rows = "".join(f"{1 + i}.250;{i % 2}\n" for i in range(40))
    kinds = column_kinds({"x": {"type": "numeric", "thousands": ".", "decimal": ","}})
    values = read(f"x;churned\n{rows}", separator=";", columns=kinds).train["x"]
    assert set(values) <= {1000.0 * (1 + i) + 250 for i in range(40)}


def test_one_error_for_each_column(read):
    rows = "".join(f"{i if i else 'unknown'},2024-01-{i % 28 + 1:02d},{i % 2}\n" for i in range(60))
    with pytest.raises(ValueError) as error:
        read(f"age,day,churned\n{rows}", columns=column_kinds({"age": "numeric"}))
    assert "2 columns cannot be used" in str(error.value)
    assert "missing: {age: [unknown]}" in str(error.value)
