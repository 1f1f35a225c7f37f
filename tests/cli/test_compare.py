"""`sparse-keras compare`, without a backend where it can be."""

import json

import pytest

from sparse_keras.cli import main
from sparse_keras.evaluation import measure

pytestmark = pytest.mark.usefixtures("eager_module")

CONFIG = "tabular/sparse_mlp_breast_cancer"
SMALL = ["--set", "training.epochs=1", "--set", "model.experts.hidden_dim=4"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSE_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(measure, "_REPEATS", 2)


def test_compares_and_reports(tmp_path, capsys):
    arguments = [CONFIG, *SMALL, "--seeds", "1", "--only", "linear"]
    assert main(["compare", *arguments, "--output", str(tmp_path / "file.json")]) == 0
    output = capsys.readouterr()
    for expected in ("sparse experts minus", "linear model", "one row, ms", "No model was tuned"):
        assert expected in output.out
    assert "seed 0  moe" in output.err and "cached" not in output.err
    assert "(sparse experts)" in output.err
    assert "By fewer than 3 seeds they have no confidence intervals" in output.out
    content = json.loads((tmp_path / "file.json").read_text())
    assert list(content["models"]) == ["moe", "linear"]
    assert content["command"] == (
        f"sparse-keras compare {CONFIG} --seeds 1 --set training.epochs=1 "
        "--set model.experts.hidden_dim=4 --only linear"
    )
    assert f"{content['models']['linear']['metrics']['auc']['mean']:.4f}" in output.out
    # The same command again uses the cache.
    assert main(["compare", *arguments]) == 0
    assert capsys.readouterr().err.count("cached") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
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
        (
            [CONFIG, "--set", "model={type: dense_mlp, hidden_dim: 4}", "--only", "equal_flops"],
            "no dense twin",
        ),
        ([CONFIG, "--output", "nowhere/file.json"], "there is no folder nowhere."),
    ],
)
def test_mistakes_are_errors(arguments, message, capsys):
    assert main(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_interruption_says_how_to_continue(monkeypatch, capsys):
    from sparse_keras.evaluation import compare

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "measure_network", interrupted)
    assert main(["compare", CONFIG, "--only", "linear"]) == 1
    assert "the same command continues" in capsys.readouterr().err
