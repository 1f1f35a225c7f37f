"""`sparse-keras init`: a config for the user's own table."""

import re

import numpy as np
import pandas as pd
import pytest

from sparse_keras.cli import main
from sparse_keras.data import load_data
from sparse_keras.data.tabular import table_files
from sparse_keras.schema import load_config
from sparse_keras.schema.json_schema import modeline


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def people(rows=120):
    return pd.DataFrame(
        {
            "customer id": range(rows),
            "age": [20 + i % 50 for i in range(rows)],
            "no": ["abc"[i % 3] for i in range(rows)],
            "name: full": [f"name {i}" for i in range(rows)],
            "joined": [f"{i % 28 + 1}.3.2024" for i in range(rows)],
            "spent": [i / 7 for i in range(rows)],
            "churned": ["yes" if i % 4 else "no" for i in range(rows)],
        }
    )


def test_a_german_csv(here, capsys):
    people().to_csv(here / "churn.csv", index=False, sep=";", decimal=",")
    assert main(["init", "churn.csv", "--target", "churned"]) == 0
    told = capsys.readouterr().out
    assert "120 rows; target churned, binary ('no' or 'yes')" in told
    assert re.search(r"name: full +ignore +120 .* identifiers: 120 distinct values", told)
    assert "train it with: sparse-keras train churn.yaml" in told

    text = (here / "churn.yaml").read_text()
    assert text.startswith(modeline() + "\n") and len(text.splitlines()) <= 31
    assert main(["check", "churn.yaml"]) == 0
    config = load_config("churn.yaml")
    assert (config.data.separator, config.data.decimal, config.data.task) == (";", ",", "binary")
    assert config.data.columns["customer id"] == config.data.columns["name: full"] == "ignore"
    data = load_data(config)
    assert data.features.columns == ("age", "spent", "joined", "no")


@pytest.mark.parametrize("suffix", ["parquet", "npz", "tsv"])
@pytest.mark.parametrize("target, task", [("churned", "binary"), ("spent", "regression")])
def test_every_format_and_another_folder(here, suffix, target, task):
    (here / "tables").mkdir()
    (here / "configs").mkdir()
    path = here / "tables" / f"churn.{suffix}"
    if suffix == "npz":
        columns = people()[["age", "churned", "spent"]]
        np.savez(path, **{name: np.array(column.tolist()) for name, column in columns.items()})
    elif suffix == "parquet":
        people().to_parquet(path)
    else:
        people().to_csv(path, sep="\t", index=False)
    output = "configs/mine.yaml"
    assert main(["init", f"tables/churn.{suffix}", "--target", target, "--output", output]) == 0
    assert "path: ../tables/churn." in (here / output).read_text()
    assert load_data(load_config(output)).features.target.task == task


def test_a_file_of_excel_in_western_europe(here, capsys):
    table = people().assign(no=["Jürgen", "Zoë", "Max"] * 40)
    text = "sep=;\n" + table.to_csv(index=False, sep=";", decimal=",")
    (here / "churn.csv").write_bytes(text.encode("cp1252"))
    assert main(["init", "churn.csv", "--target", "churned"]) == 0
    told = capsys.readouterr().out
    assert "data.encoding: cp1252, not UTF-8; read as 'Jürgen', 'Zoë' (or as cp1251 'Jьr" in told
    assert "data.separator: ;, the first line of the file says sep=;" in told
    assert "encoding: cp1252  # not UTF-8; read as 'Jürgen'" in (here / "churn.yaml").read_text()
    config = load_config("churn.yaml")
    assert (config.data.encoding, config.data.separator) == ("cp1252", ";")
    assert load_data(config).features.columns == ("age", "spent", "joined", "no")


def test_a_workbook(here, capsys):
    with pd.ExcelWriter(here / "churn.xlsx", engine="openpyxl") as book:
        people().to_excel(book, sheet_name="Data", startrow=2, index=False)
    assert main(["init", "churn.xlsx", "--target", "churned"]) == 0
    assert "data.header_row: 3, the first row with a name for each" in capsys.readouterr().out
    config = load_config("churn.yaml")
    assert (config.data.type, config.data.header_row, config.data.sheet) == ("excel", 3, None)
    assert len(load_data(config).frames["test"]) == 24
    with pd.ExcelWriter(here / "two.xlsx", engine="openpyxl") as book:
        for sheet in ("one", "two"):
            people().to_excel(book, sheet_name=sheet, index=False)
    assert main(["init", "two.xlsx", "--target", "churned"]) == 2
    assert "two.xlsx has 2 sheets: 'one', 'two'" in capsys.readouterr().err
    assert main(["init", "two.xlsx", "--target", "churned", "--sheet", "two"]) == 0
    assert load_config("two.yaml").data.sheet == "two"


def test_more_rows_get_a_larger_model(here):
    experts = []
    for rows in (100, 5_000, 30_000):
        frame = pd.DataFrame({"x": np.arange(rows) % 9, "y": np.arange(rows) % 2})
        frame.to_csv("t.csv", index=False)
        assert main(["init", "t.csv", "--target", "y", "--output", f"{rows}.yaml"]) == 0
        experts.append(load_config(f"{rows}.yaml").model.experts.num_experts)
    assert experts == [4, 8, 16]


def test_a_file_larger_than_memory_gets_max_rows(here, monkeypatch):
    people().to_csv("churn.csv", index=False)
    monkeypatch.setattr(table_files, "free_memory", lambda: 1000)
    assert main(["init", "churn.csv", "--target", "churned"]) == 0
    config = load_config("churn.yaml")
    assert config.data.max_rows == 1_000_000
    assert len((here / "churn.yaml").read_text().splitlines()) <= 31
    load_data(config)  # With max_rows the memory is not asked for.


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["churn.csv", "--target", "Churned"], "Did you mean 'churned'?"),
        (["chrun.csv", "--target", "churned"], "Did you mean 'churn.csv'?"),
        (["churn.csv", "--target", "churned", "--output", "a.txt"], "must end in .yaml"),
        (["churn.csv", "--target", "churned", "--output", "there.yaml"], "exists already"),
        (["churn.csv", "--target", "churned", "--sheet", "A"], "is not an Excel file"),
        (
            ["rows.jsonl", "--target", "churned"],
            "expected a .csv, .tsv, .parquet, .npz or .xlsx file",
        ),
    ],
)
def test_mistakes(here, capsys, arguments, message):
    people().to_csv("churn.csv", index=False)
    (here / "there.yaml").write_text("mine\n")
    (here / "rows.jsonl").write_text('{"churned": 1}\n')
    assert main(["init", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert (here / "there.yaml").read_text() == "mine\n"
    assert not (here / "churn.yaml").exists()


@pytest.mark.parametrize("name", ["y\nmodel: hacked", "y\x85z", "y\u2028z", "y\x7fz"])
def test_a_name_that_ends_a_line(name, here, capsys):
    table = people().rename(columns={"churned": name})
    table.to_parquet(here / "odd.parquet")
    assert main(["init", "odd.parquet", "--target", name]) == 0
    assert load_config(here / "odd.yaml").data.target == name
