"""`sparse-keras show`, `copy`, `check` and `schema`: what they print is right and can be used."""

import json

import pytest

from sparse_keras.cli import main
from sparse_keras.schema import load_config
from sparse_keras.schema.zoo import config_names


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("full", [[], ["--full"]])
@pytest.mark.parametrize("name", config_names())
def test_what_is_shown_is_the_same_config(name, full, here, capsys):
    assert main(["show", name, *full, "--set", "training.seed=7"]) == 0
    shown = capsys.readouterr().out
    (here / "shown.yaml").write_text(shown)
    assert load_config("shown.yaml").hash == load_config(name, ["training.seed=7"]).hash


def test_the_values_of_a_preset_are_shown(here, capsys):
    (here / "own.yaml").write_text(
        "version: 1\nmodel:\n  type: sparse_mlp\n"
        "  experts: {type: mlp, num_experts: 8, hidden_dim: 8}\n"
        "  router:\n    type: top_k\n    preset: gpt_oss\n    k: 3\n"
    )
    assert main(["show", "own.yaml"]) == 0
    shown = capsys.readouterr().out
    lines = dict(line.split(":", 1) for line in shown.splitlines()[1:])
    for key, value in [("k", "3 # own.yaml:8"), ("normalize", "softmax # own.yaml:7")]:
        assert " ".join(lines[f"    {key}"].split()) == value
    (here / "shown.yaml").write_text(shown)
    assert load_config("shown.yaml").hash == load_config("own.yaml").hash


def test_the_origin_of_each_value(here, capsys):
    (here / "base.yaml").write_text(
        "version: 1\nmodel:\n  type: dense_mlp\n  hidden_dim: 8\n  depth: 2\n"
    )
    (here / "own.yaml").write_text("extends: base.yaml\nmodel: {depth: 3}\n")
    assert main(["show", "own.yaml", "--full", "--set", "model.stem=4"]) == 0
    origins = {}
    for line in capsys.readouterr().out.splitlines()[1:]:
        value, _, origin = line.partition("#")
        origins[value.split(":")[0].strip()] = origin.strip()
    assert origins["hidden_dim"] == "base.yaml:4"
    assert origins["depth"] == "own.yaml:2"
    assert origins["stem"] == "--set"
    assert origins["dropout"] == "default"
    assert main(["show", "own.yaml"]) == 0
    assert "dropout" not in capsys.readouterr().out


def test_a_copy_is_ones_own(here, capsys):
    assert main(["copy", "tabular/sparse_mlp_adult", "mine.yaml"]) == 0
    assert "sparse-keras train mine.yaml" in capsys.readouterr().out
    text = (here / "mine.yaml").read_text()
    assert load_config("mine.yaml").hash == load_config("tabular/sparse_mlp_adult").hash
    commands = [line for line in text.splitlines() if "sparse-keras train" in line]
    assert commands and all("train mine.yaml" in line for line in commands)
    assert text.splitlines()[0].endswith("configs/schema.json")


def test_a_copy_overwrites_nothing(here, capsys):
    (here / "sparse_mlp_adult.yaml").write_text("mine")
    assert main(["copy", "tabular/sparse_mlp_adult"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (here / "sparse_mlp_adult.yaml").read_text() == "mine"
    assert main(["copy", "tabular/sparse_mlp_adult", "mine.txt"]) == 2
    assert main(["copy", "tabular/sparse_mlp_adul"]) == 2


def test_a_schema_goes_to_a_file_in_a_folder_that_is_there(here, capsys):
    assert main(["schema", "--output", "schema.json"]) == 0
    assert main(["schema"]) == 0
    assert (here / "schema.json").read_text() == capsys.readouterr().out
    assert main(["schema", "--output", "nowhere/schema.json"]) == 2
    assert "there is no folder nowhere." in capsys.readouterr().err


def test_check_tells_all_mistakes_of_all_files(here, capsys):
    (here / "good.yaml").write_text("version: 1\nmodel: {type: dense_mlp, hidden_dim: 8}\n")
    (here / "bad.yaml").write_text("version: 2\nmodel: {type: dense_mlp, hiden_dim: 8}\n")
    (here / "worse.yaml").write_text("a: [\n")
    assert main(["check", "*.yaml", "tabular/sparse_mlp_adult", "nowhere.yaml"]) == 2
    found = capsys.readouterr()
    assert "good.yaml: ok" in found.out and "2 of 5 are valid" in found.out
    for expected in (
        "bad.yaml:1:10: version",
        "bad.yaml:2:26: model.hiden_dim: unknown key (did you mean 'hidden_dim'?)",
        "worse.yaml:2:1",
        "nowhere.yaml",
    ):
        assert expected in found.err


def test_check_tells_a_data_file_that_is_not_there(here, capsys):
    (here / "own.yaml").write_text(
        "extends: tabular/sparse_mlp\nversion: 1\n"
        "data:\n  type: csv\n  path: nowhere.csv\n  target: y\n"
    )
    assert main(["check", "own.yaml"]) == 2
    assert "own.yaml:5:9: data.path: there is no file" in capsys.readouterr().err
    (here / "nowhere.csv").touch()
    assert main(["check", "own.yaml", "--set", "data.test_path=gone.csv"]) == 2
    assert "data.test_path: there is no file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tabular/sparse_mlp_breast_cancer", "tabular/sparse_mlp"])
def test_check_builds(name, capsys):
    assert main(["check", name, "--build"]) == 0
    assert ("loss of the first batch" in capsys.readouterr().out) == (name[-1] != "p")


def test_check_builds_what_reading_alone_does_not_find(here, capsys):
    (here / "own.yaml").write_text(
        "extends: tabular/sparse_mlp_breast_cancer\nversion: 1\n"
        "model: {experts: {type: dense, num_experts: 4, units: 7}}\n"
    )
    assert main(["check", "own.yaml"]) == 0
    assert main(["check", "own.yaml", "--build"]) == 2
    assert "residual" in capsys.readouterr().err


def test_schema_goes_where_it_is_sent(here, capsys):
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert main(["schema", "--output", "schema.json"]) == 0
    assert json.loads(printed) == json.loads((here / "schema.json").read_text())
    assert main(["schema", "--markdown"]) == 0
    assert "`num_experts`" in capsys.readouterr().out
