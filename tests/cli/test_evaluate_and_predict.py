"""`sparse-keras evaluate` and `sparse-keras predict`, on a run of a table of one's own."""

import json

import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.data.tabular.table_files import read_table
from tests.support.quick import slow_but_for

pytestmark = pytest.mark.usefixtures("eager_module")


def people(rows, seed):
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, rows)
    plan = rng.choice(["basic", "plus", "2024"], rows)
    score = age + 20 * (plan == "plus") + rng.normal(0, 5, rows)
    return pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(rows)],
            "age": age,
            "spent": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows).round(3)),
            "plan": plan,
            "churned": np.where(score > 60, "y", "n"),
        }
    )


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    people(300, seed=0).to_csv(folder / "people.csv", index=False, sep=";")
    people(50, seed=1).to_csv(folder / "new.csv", index=False, sep=";")
    (folder / "people.yaml").write_text(
        "extends: tabular/sparse_mlp\nversion: 1\n"
        "data: {type: csv, path: people.csv, separator: ;, target: churned, "
        "columns: {id: ignore}}\n"
        "training: {epochs: 2, early_stopping: null}\n"
    )
    config = sparse_keras.load_config(folder / "people.yaml")
    sparse_keras.train(config, output=folder / "runs", verbose=0)
    return folder


@pytest.fixture
def run(here, monkeypatch):
    monkeypatch.chdir(here)
    (run,) = (here / "runs" / "people").iterdir()
    return str(run)


def test_evaluate_repeats_the_metrics_of_the_run(run, here, capsys):
    assert main(["evaluate", run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = json.loads((here / run / "metrics.json").read_text())
    assert found["rows"] == 60 and found["auc"] == pytest.approx(wanted["auc"])
    assert main(["evaluate", run]) == 0
    assert f"{wanted['auc']:.4f}" in capsys.readouterr().out


def test_evaluate_on_other_rows(run, capsys):
    for arguments, rows in ((["--part", "train"], 216), (["--data", "new.csv"], 50)):
        assert main(["evaluate", run, "--json", *arguments]) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == rows


def test_evaluate_needs_the_target(run, here, capsys):
    people(5, seed=2).drop(columns="churned").to_csv(here / "unknown.csv", index=False, sep=";")
    assert main(["evaluate", run, "--data", "unknown.csv"]) == 2
    assert "churned" in capsys.readouterr().err


@pytest.mark.parametrize("name", slow_but_for(["p.csv"], ["p.csv", "p.jsonl", "p.parquet"]))
def test_predict_writes_what_the_model_says(name, run, here, capsys):
    output = here / f"of_{name}"
    assert main(["predict", run, "new.csv", "--keep", "id", "--output", str(output)]) == 0
    assert "50 predictions" in capsys.readouterr().out
    found = read_table(output)
    assert list(found) == ["id", "prediction", "probability_y"]
    frame = people(50, seed=1)
    model = sparse_keras.load_model(run)
    np.testing.assert_allclose(
        found["probability_y"], model.predict(frame, verbose=0)[:, 0], rtol=1e-5
    )
    assert found["prediction"].tolist() == model.predict_target(frame, verbose=0).tolist()
    assert found["id"].tolist() == frame["id"].tolist()


@pytest.mark.slow
def test_predictions_do_not_depend_on_the_parts_a_file_is_read_in(run, here, monkeypatch, capsys):
    """ "2024" is a plan in a column of text: alone in a part, it must not turn into a number."""
    from sparse_keras.data.tabular import table_files

    assert main(["predict", run, "new.csv"]) == 0
    whole = capsys.readouterr().out
    original = table_files.iter_rows
    monkeypatch.setattr(table_files, "iter_rows", lambda file: original(file, chunk_rows=1))
    assert main(["predict", run, "new.csv"]) == 0
    parts = capsys.readouterr().out
    numbers = [
        [float(line.split(",")[1]) for line in text.splitlines()[1:]] for text in (whole, parts)
    ]
    np.testing.assert_allclose(*numbers, rtol=1e-4)
    assert len(numbers[0]) == 50


def test_predict_without_the_target_and_from_another_format(run, here, capsys):
    people(7, seed=3).drop(columns="churned").to_json(
        here / "new.jsonl", orient="records", lines=True
    )
    assert main(["predict", run, "new.jsonl"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 8


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["nowhere.csv"], "nowhere.csv"),
        (["new.csv", "--keep", "name"], "name"),
        (["new.csv", "--output", "people.csv"], "--overwrite"),
        (["new.csv", "--output", "people.xlsx"], ".parquet"),
        (["new.csv", "--separator", ","], "age"),
        (["new.csv", "--encoding", "utf8x"], "Did you mean 'utf-8'?"),
        (["new.csv", "--sheet", "A"], "--sheet has no effect: new.csv is not an Excel file"),
        (["new.csv", "--header-row", "2"], "--header-row has no effect: new.csv is not an Excel"),
    ],
)
def test_mistakes(arguments, told, run, here, capsys):
    before = (here / "people.csv").read_bytes()
    assert main(["predict", run, *arguments]) == 2
    found = capsys.readouterr()
    assert told in found.err and "Traceback" not in found.err
    assert (here / "people.csv").read_bytes() == before


def test_a_folder_that_is_no_run_and_a_run_without_a_model(here, tmp_path, capsys):
    assert main(["predict", str(here), "new.csv"]) == 2
    assert "folder of a run" in capsys.readouterr().err
    (run,) = (here / "runs" / "people").iterdir()
    (tmp_path / "environment.json").write_text((run / "environment.json").read_text())
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "--resume" in capsys.readouterr().err


def test_a_damaged_model(run, here, tmp_path, capsys):
    for name in ("environment.json", "resolved.yaml", "model.keras"):
        (tmp_path / name).write_bytes((here / run / name).read_bytes())
    content = bytearray((tmp_path / "model.keras").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = b"\0damage\0"
    (tmp_path / "model.keras").write_bytes(content)
    assert main(["predict", str(tmp_path), "new.csv"]) == 2
    assert "damaged" in capsys.readouterr().err


def test_a_kept_number_has_one_type_in_all_parts(run, here, monkeypatch, capsys):
    from sparse_keras.data.tabular import table_files

    frame = people(4, seed=5)
    frame["spent"] = [1.0, 2.0, 2.5, 3.0]
    frame.to_csv(here / "parts.csv", index=False, sep=";")
    original = table_files.iter_rows
    monkeypatch.setattr(table_files, "iter_rows", lambda file: original(file, chunk_rows=2))
    arguments = ["parts.csv", "--keep", "spent", "--output", "parts.parquet"]
    assert main(["predict", run, *arguments]) == 0
    assert read_table(here / "parts.parquet")["spent"].tolist() == [1.0, 2.0, 2.5, 3.0]
    (here / "bad.csv").write_text((here / "parts.csv").read_text().replace("3.0", "many"))
    assert main(["predict", run, "bad.csv"]) == 2
    assert "'many' in row 4" in capsys.readouterr().err


@pytest.mark.slow
def test_files_in_other_formats_than_the_own(run, here, capsys):
    assert main(["predict", run, "new.csv", "--keep", "plan"]) == 0
    wanted = capsys.readouterr().out
    text = (here / "new.csv").read_text()
    (here / "excel.csv").write_bytes(("sep=,\n" + text.replace(";", ",")).encode("utf-16"))
    (here / "french.csv").write_bytes(text.replace("id;", "idé;").encode("cp1252"))
    with pd.ExcelWriter(here / "new.xlsx", engine="openpyxl") as book:
        frame = read_table(here / "new.csv", separator=";", text=["plan"])
        frame.to_excel(book, sheet_name="New", startrow=1, index=False)
        frame.to_excel(book, sheet_name="Old", index=False)
    formats = {
        "excel.csv": [],
        "french.csv": ["--encoding", "cp1252"],
        "new.xlsx": ["--sheet", "New", "--header-row", "2"],
    }
    for name, arguments in formats.items():
        assert main(["predict", run, name, "--keep", "plan", *arguments]) == 0
        assert capsys.readouterr().out == wanted, name
        assert main(["evaluate", run, "--data", name, *arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == 50
    assert main(["predict", run, "french.csv"]) == 2
    assert "cp1252 'idé'" in capsys.readouterr().err
    assert main(["predict", run, "new.xlsx"]) == 2
    assert "has 2 sheets: 'New', 'Old'" in capsys.readouterr().err
    assert main(["predict", run, "new.xlsx", "--encoding", "cp1252"]) == 2
    assert "--encoding has no effect: new.xlsx is not a CSV file" in capsys.readouterr().err


def test_the_run_says_how_its_rows_were_split(run, here):
    split = json.loads((here / run / "environment.json").read_text())["split"]
    assert split["description"] == "split at random, seed 0"
    assert split["rows"] == {"train": 216, "validation": 24, "test": 60}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["predict"], id="predict"),
        pytest.param(["evaluate", "--data"], id="evaluate", marks=pytest.mark.slow),
        pytest.param(["predict", "--keep", "age", "--"], id="keep", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_separator_is_suspected(run, here, capsys, arguments):
    people(5, seed=2).to_csv(here / "commas.csv", index=False)
    verb, *others = arguments
    assert main([verb, run, *others, "commas.csv"]) == 2
    told = capsys.readouterr().err
    assert "commas.csv: " in told and "The file has one column" in told
    assert "Is the separator ';' right? Did you mean ','?" in told
    assert main([verb, run, "--separator", ",", *others, "commas.csv"]) == 0
    for separator in ("é", "", ";;"):
        assert main([verb, run, "--separator", separator, *others, "commas.csv"]) == 2
        assert "one ASCII character such as ',', ';' or a tab" in capsys.readouterr().err
