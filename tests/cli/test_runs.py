"""`sparse-keras runs`, and `last`: which runs are there, and which is the newest."""

import json
import os
from types import SimpleNamespace

import pytest

from sparse_keras.cli import build_parser, main
from sparse_keras.cli.train import next_steps
from sparse_keras.schema import load_config
from sparse_keras.training.runs.finding import newest_finished_run
from sparse_keras.training.runs.listing import RunListing, list_runs
from sparse_keras.training.runs.starting import start_run

CONFIG, OTHER = "tabular/sparse_mlp_breast_cancer", "tabular/sparse_mlp_vehicle"
DATA = SimpleNamespace(digest=lambda: "digest", test=None)


def make(name, started, config=CONFIG, overrides=(), metrics=None, model=True):
    """A run in the folder `runs` that was started at a time."""
    run = start_run("runs", load_config(config, overrides), "tensorflow", DATA)
    path = run.path.with_name(f"2026-01-{started}")
    os.rename(run.path, path)
    run = type(run)(path)
    if metrics is not None:
        run.finish(metrics)
        if model:
            run.model_file.touch()
    return run


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished = {"loss": 0.1, "auc": 0.9, "fit_seconds": 2.5}
    epochs = ["training.epochs=7", "model.router.k=1"]
    made = {
        "old": make("old", "01_10-00-00", metrics=finished),
        "best": make("best", "02_10-00-00", overrides=epochs, metrics={**finished, "auc": 0.95}),
        "other": make("other", "03_10-00-00", OTHER, metrics={"loss": 1.0, "log_loss": 0.5}),
        "unfinished": make("unfinished", "04_10-00-00"),
        "no model": make("no model", "05_10-00-00", metrics=finished, model=False),
        "damaged": make("damaged", "06_10-00-00", metrics=finished),
    }
    (made["damaged"].path / "metrics.json").write_text("[]")
    broken = tmp_path / "runs" / CONFIG / "2026-01-07_10-00-00"
    broken.mkdir()
    (broken / "environment.json").write_text("{")
    return made


def test_runs_are_listed_from_the_newest_on(runs, capsys):
    assert main(["runs", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [run["started"][8:10] for run in listed] == ["07", "06", "05", "04", "03", "02", "01"]
    states = [run["state"] for run in listed]
    assert states == ["damaged", "damaged", "damaged", "unfinished", *["finished"] * 3]
    assert "environment.json is damaged" in listed[0]["problem"]
    assert "metrics.json is damaged" in listed[1]["problem"]
    assert listed[2]["problem"] == "its model.keras has been removed"
    best, old = listed[5:]
    assert best["metrics"] == {"loss": 0.1, "auc": 0.95} and best["seconds"] == 2.5
    assert best["differences"] == {"model.router.k": 1, "training.epochs": 7}
    assert set(old["differences"]) == set(best["differences"])
    assert listed[4]["differences"] == {}  # The only one of its name.
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    line = next(line for line in lines if "02_10-00-00" in line)
    for expected in ("finished", "auc 0.9500", "2.5", "model.router.k=1, training.epochs=7"):
        assert expected in line
    assert main(["runs", f"runs/{OTHER}"]) == 0
    assert "log_loss" not in capsys.readouterr().out  # It is no metric that stands for a run.


def test_folders_without_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 2
    assert "There is no folder 'runs'" in capsys.readouterr().err
    (tmp_path / "runs").mkdir()
    assert main(["runs"]) == 0
    assert "no runs in 'runs'" in capsys.readouterr().err
    assert main(["runs", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize(
    ("metrics", "main_metric"),
    [
        ({"loss": 1.0, "accuracy": 0.8, "auc": 0.9}, ("auc", 0.9)),
        ({"loss": 1.0, "mae": 3.0, "rmse": 2.0}, ("rmse", 2.0)),
        ({"a_loss": 1.0, "a_rmse": 2.0, "b_auc": 0.9}, ("b_auc", 0.9)),
        ({"loss": 1.0, "own": 2.0}, ("own", 2.0)),
        ({"loss": 1.0}, None),
    ],
)
def test_the_metric_that_stands_for_a_run(metrics, main_metric):
    listing = RunListing("p", "c", "t", "finished", metrics=metrics)
    assert listing.main_metric == main_metric


def test_last_is_the_newest_finished_run(runs, capsys):
    assert newest_finished_run().path.resolve() == runs["other"].path.resolve()
    # By the start, whatever is written later.
    (runs["old"].path / "inspection.html").touch()
    assert main(["evaluate", "last", "--json"]) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[0] == f"last: {runs['other'].path}"
    for name in ("old", "best", "other"):
        runs[name].model_file.unlink()
    assert main(["predict", "last", "new.csv"]) == 2
    err = capsys.readouterr().err
    assert "'last' is the newest finished run in the folder 'runs'" in err
    assert "of its 7 runs none has finished" in err


def test_a_folder_called_last(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "last").mkdir()
    assert main(["evaluate", "./last"]) == 2
    assert "Expected the folder of a run" in capsys.readouterr().err


def test_runs_of_one_second_by_their_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = (
        start_run("runs", load_config(CONFIG), "tensorflow", DATA).path for _ in range(2)
    )
    os.rename(first, first.with_name("2026-01-01_10-00-00_9"))
    os.rename(second, first.with_name("2026-01-01_10-00-00_10"))
    assert [run.path.name[-2:] for run in list_runs("runs")] == ["10", "_9"]


def test_what_to_do_next_are_commands_that_parse(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import shlex

    class Preprocessed:
        preprocessor = None

    path = tmp_path / "my runs" / "1"
    finished = SimpleNamespace(path=path, model=Preprocessed(), config=load_config(CONFIG))
    given = ["train", CONFIG, "--set", "training.seed=3", "--set", "training.epochs=2"]
    args = build_parser().parse_args(given)
    lines = next_steps(finished, args).splitlines()
    commands = [line.partition("  # ")[0].strip() for line in lines[1:]]
    assert [shlex.split(command)[1] for command in commands] == ["report", "evaluate", "compare"]
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "sparse-keras" and build_parser().parse_args(words)
    assert shlex.split(commands[0])[2] == str(path)
    assert commands[2] == f"sparse-keras compare {CONFIG} --set training.epochs=2"
    resumed = next_steps(finished, build_parser().parse_args(["train", "--resume", "x"]))
    assert f"'{path}/resolved.yaml'" in resumed
    reported = next_steps(finished, build_parser().parse_args([*given, "--report"]))
    assert "sparse-keras report" not in reported
