"""`sparse-keras inspect`, on a run of a table of one's own."""

import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras._internal.column_labels import classes_of
from sparse_keras.cli import arguments, main

pytestmark = pytest.mark.usefixtures("eager_module")

NAME = "<b>plan</b>"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    plan = rng.choice(["basic", "plus", "pro"], 600)
    spent = rng.normal(100, 30, 600) + 40 * (plan == "pro")
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, 600),
            NAME: plan,
            "spent": np.where(rng.random(600) < 0.1, np.nan, spent),
            "churned": np.where((plan == "pro") ^ (spent > 110), "y", "n"),
        }
    )
    frame.to_csv(folder / "people.csv", index=False)
    rest = (
        "version: 1\ndata: {type: csv, path: people.csv, target: churned}\n"
        "training: {epochs: 2, early_stopping: null}\n"
    )
    dense = "model: {type: dense_mlp, hidden_dim: 8}\noptimizer: {type: adam}\n"
    for name, model in (("people", "extends: tabular/sparse_mlp\n"), ("dense", dense)):
        (folder / f"{name}.yaml").write_text(model + rest)
        config = sparse_keras.load_config(folder / f"{name}.yaml")
        sparse_keras.train(config, output=folder / "runs", verbose=0)
    return folder


@pytest.fixture
def run(here, monkeypatch):
    monkeypatch.chdir(here)
    (run,) = (here / "runs" / "people").iterdir()
    return str(run)


def test_tables_and_page(run, here, capsys):
    assert main(["inspect", run]) == 0
    out = capsys.readouterr().out
    model = sparse_keras.load_model(run)
    (layer,) = [layer for layer in model.core.layers if hasattr(layer, "gates")]
    for expected in ("people on 120 test rows of people", layer.path, "churned"):
        assert expected in out
    page = here / run / "inspection.html"
    assert out.rstrip().endswith(f"wrote {page}")
    assert "By churned" in page.read_text()
    before = page.read_bytes()
    assert main(["inspect", run]) == 2
    assert "is there already; --overwrite replaces it, --output FILE" in capsys.readouterr().err
    assert page.read_bytes() == before
    assert main(["inspect", run, "--split", "train", "--labels", NAME, "--overwrite"]) == 0
    text = page.read_text()
    assert "432 train rows" in text and "By &lt;b&gt;plan&lt;/b&gt;" in text
    page.unlink()  # Other tests write it, too.


def test_numbers_are_cut_into_parts(run, here, capsys):
    assert main(["inspect", run, "--labels", "spent", "--output", "spent.html"]) == 0
    text = (here / "spent.html").read_text()
    assert "1/5: " in text and "5/5: " in text and "nan" not in text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--labels", "agee"], "no such column"),
        (["--tokens", "5"], "--tokens 5 is for texts, but the data set 'people' has none"),
        (["--output", "people.csv"], "people.csv is there already; --overwrite replaces it"),
        (["--output", "nowhere/page.html"], "nowhere/page.html: there is no folder nowhere."),
        (["--output", "people.csv/page.html"], "there is no folder people.csv."),
        (["--output", "runs"], "runs is a folder. Expected the name of a file to write."),
    ],
)
def test_wrong_input(run, given, message, capsys):
    before = Path("people.csv").read_text()
    assert main(["inspect", run, *given]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("error: ") and message in line
    assert out == ""  # Before the tables, which take long.
    assert Path("people.csv").read_text() == before


def test_a_folder_in_which_nothing_can_be_written(run, capsys, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, who may write everywhere.
    monkeypatch.setattr(arguments, "tempfile", SimpleNamespace(TemporaryFile=refuse))
    assert main(["inspect", run, "--output", "page.html"]) == 2
    message = "page.html: no file can be written to the folder . (Permission denied)."
    assert message in capsys.readouterr().err


def test_what_is_no_run(run, here, capsys):
    assert main(["inspect", str(here)]) == 2
    assert "Expected the folder of a run" in capsys.readouterr().err
    (dense,) = (here / "runs" / "dense").iterdir()
    assert main(["inspect", str(dense)]) == 2
    assert "no mixture of experts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda text: text[: len(text) // 2], "Unterminated string|Expecting|Invalid"),
        (lambda text: '{"module": "keras", "class_name": "Nope", "config": {}}', "keras.Nope"),
        (lambda text: text.replace("MixtureOfExperts", "Nothing"), "Nothing"),
    ],
)
def test_a_model_that_keras_cannot_load(run, tmp_path, config, message, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    with (
        zipfile.ZipFile(f"{run}/model.keras") as given,
        zipfile.ZipFile(broken / "model.keras", "w") as changed,
    ):
        for name in given.namelist():
            content = given.read(name)
            if name == "config.json":
                content = config(content.decode()).encode()
            changed.writestr(name, content)
    assert main(["inspect", str(broken)]) == 2
    first, *_ = capsys.readouterr().err.splitlines()
    assert f"Keras could not load '{broken}/model.keras'" in first and re.search(message, first)


def test_data_that_is_gone(run, here, capsys):
    (here / "people.csv").rename(here / "gone.csv")
    try:
        assert main(["inspect", run]) == 2
    finally:
        (here / "gone.csv").rename(here / "people.csv")
    first, *_ = capsys.readouterr().err.splitlines()
    assert "people.csv" in first


def test_a_number_that_most_rows_have_is_a_part_of_its_own():
    column = pd.Series(np.r_[np.zeros(900), np.arange(1, 101) * 1.5, np.nan])
    found = pd.Series(classes_of(column)).value_counts(dropna=False)
    assert found["0"] == 900 and found["1/5: 1.5 to 31.2"] == 20 and found[None] == 1
    assert set(classes_of(pd.Series([0.5] * 10 + [0.7] * 5))) == {"0.5", "0.7"}
