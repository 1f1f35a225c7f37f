"""`sparse-keras compare`, without a backend where it can be."""

import json

import pytest

from sparse_keras.cli import main
from sparse_keras.evaluation import measure as measuring

CONFIG = "tabular/sparse_mlp_breast_cancer"
SMALL = ["--set", "training.epochs=1", "--set", "model.experts.hidden_dim=4"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(measuring, "_REPEATS", 2)


def test_compares_and_reports(tmp_path, capsys):
    arguments = [CONFIG, *SMALL, "--seeds", "1", "--only", "linear"]
    assert main(["compare", *arguments, "--output", str(tmp_path / "file.json")]) == 0
    told = capsys.readouterr()
    for expected in ("sparse experts minus", "linear model", "one row, ms", "No side was tuned"):
        assert expected in told.out
    assert "seed 0  moe" in told.err and "kept" not in told.err
    content = json.loads((tmp_path / "file.json").read_text())
    assert list(content["models"]) == ["moe", "linear"]
    assert content["command"] == (
        f"sparse-keras compare {CONFIG} --seeds 1 --set training.epochs=1 "
        "--set model.experts.hidden_dim=4 --only linear"
    )
    assert f"{content['models']['linear']['metrics']['auc']['mean']:.4f}" in told.out
    # The same again takes what is kept.
    assert main(["compare", *arguments]) == 0
    assert capsys.readouterr().err.count("kept") == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tabular/sparse_mlp_breast_cance"], "sparse_mlp_breast_cancer"),
        (["tabular/sparse_mlp"], "no data section"),
        ([CONFIG, "--only", "hbg"], "did you mean 'hgb'"),
        ([CONFIG, "--only", "hgb", "--ablate"], "frozen_router"),
        ([CONFIG, "--seeds", "0"], "at least 1"),
        ([CONFIG, "--set", "training.seed=3"], "--seeds sets training.seed"),
        ([CONFIG, "--set", "data.split_seed=3"], "--seeds sets data.split_seed"),
        ([CONFIG, "--set", "model.router.k=99"], "model.router.k"),
        ([CONFIG, "--set", "training.epochs=1", "--publish"], "without --set"),
        ([CONFIG, "--set", "model={type: dense_mlp, hidden_dim: 4}"], "no dense twin"),
        ([CONFIG, "--output", "nowhere/file.json"], "there is no folder nowhere."),
    ],
)
def test_mistakes_are_told(arguments, told, capsys):
    assert main(["compare", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_an_interruption_is_told(monkeypatch, capsys):
    from sparse_keras.evaluation import compare as comparing

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "measure_network", interrupted)
    assert main(["compare", CONFIG, "--only", "linear"]) == 1
    assert "the same command goes on" in capsys.readouterr().err
