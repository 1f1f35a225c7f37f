"""The user's own file, and everything that can be wrong with it."""

from types import SimpleNamespace

import pytest

from sparse_keras.data import READERS

ROWS = "".join(f"{20 + i},city{i % 3},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(40))
GOOD = "age,city,churned\n" + ROWS


@pytest.fixture
def read(tmp_path):
    """Writes `text` to churn.csv and reads it."""

    def read_text(text=GOOD, **changes):
        path = tmp_path / "churn.csv"
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        options = {
            "path": str(path),
            "target": "churned",
            "task": "auto",
            "separator": ",",
            "test_fraction": 0.25,
            "split_seed": 0,
        }
        return READERS["csv"](SimpleNamespace(**(options | changes)))

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
    raw = read(GOOD.replace("20,city0", ",?").replace("21,city1", "NA,null"))
    assert raw.train.age.isna().sum() + raw.test.age.isna().sum() == 2
    assert raw.train.city.isna().sum() + raw.test.city.isna().sum() == 2
    assert raw.train.age.dtype == "float64"


@pytest.mark.parametrize(
    "text, changes, message",
    [
        (None, {}, r"churn.csv does not exist"),
        ("", {}, r"churn.csv is empty"),
        ("age,city,churned\n", {}, r"churn.csv has a header and no rows"),
        (GOOD, {"target": "Churn"}, r"target column 'Churn'. Did you mean 'churned'\?.*'age', 'ci"),
        (GOOD, {"separator": ";"}, r"Is the separator ';' right\? The file has one column"),
        (GOOD + "1,2,3,4,5\n", {}, r"churn.csv cannot be read as a table: .*line 42"),
        ("age,city,churned\n1,a,no,x\n2,b,yes,y\n", {}, r"more cells than the header has columns"),
        (GOOD.replace("city,", "age,"), {}, r"names must be distinct. Received twice: 'age'"),
        (GOOD.replace("age,", ",", 1), {}, r"column 1 has no name.*index=False"),
        (GOOD.encode("utf-16"), {}, r"cannot be read as a table"),
        (GOOD + "70,city1,\n71,city1,?\n", {}, r"'churned' is missing in 2 of 42 rows, .* row 41"),
        (GOOD.replace("yes", "no"), {}, r"at least two values. Received 1 distinct value: 'no'"),
        (GOOD, {"task": "regression"}, r"must hold numbers for task 'regression'"),
        ("age,x,churned\n1,,no\n2,,yes\n3,,no\n", {}, r"without a single value.* Remove 'x'"),
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
