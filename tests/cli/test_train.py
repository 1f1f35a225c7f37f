"""`sparse-keras train`: what a user reads, also in a process of its own."""

import json
import os
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest

from sparse_keras.cli import build_parser, main, train
from sparse_keras.cli.train import _metrics_table
from sparse_keras.schema import load_config
from sparse_keras.training.runs.starting import start_run

CONFIG = "tabular/sparse_mlp_breast_cancer"


def sparse_keras(*arguments, cwd):
    # As in a user's shell, without the setting of this test run.
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", "sparse_keras", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
    )


@pytest.mark.slow
def test_trains_and_reports(tmp_path):
    done = sparse_keras("train", CONFIG, "--set", "training.epochs=2", "--seed", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # Nothing of TensorFlow's start-up.
    for expected in ("parameters", "1/2", "2/2", "val_auc", "load_violation", "this run"):
        assert expected in done.stdout
    command = f"sparse-keras train {CONFIG} --set training.epochs=2 --set training.seed=3"
    assert command in done.stdout
    (folder,) = (tmp_path / "runs" / CONFIG).iterdir()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert f"{metrics['auc']:.4f}" in done.stdout


@pytest.mark.usefixtures("eager_functions")
def test_warnings_are_sentences_below_the_line_of_their_epoch(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one_expert = "model.router={type: top_k, k: 1, balance_loss: 0.0}"
    experts = "model.experts={type: mlp, num_experts: 16, hidden_dim: 4}"
    settings = (one_expert, experts, "optimizer.learning_rate=0.1", "training.epochs=1")
    arguments = [part for setting in settings for part in ("--set", setting)]
    assert main(["train", CONFIG, *arguments]) == 0
    out, err = capsys.readouterr()
    assert "RoutingWarning" not in out + err and ".py" not in err
    lines = out.splitlines()
    (first,) = [n for n, line in enumerate(lines) if line.startswith("warning: ")]
    assert lines[first - 1].split()[0] == "1/1"
    assert "The mixture of experts 'block_0_mixture' has" in lines[first]


# A plug-in that presses Ctrl-C in the third epoch, once.
_CTRL_C = """
import os, pathlib, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell may have it ignored.
from sparse_keras.cli import progress

begin = progress.EpochTable.on_epoch_begin

def press(self, epoch, logs=None):
    begin(self, epoch, logs)
    if epoch == 2 and not pathlib.Path("pressed").exists():
        pathlib.Path("pressed").touch()
        os.kill(os.getpid(), signal.SIGINT)

progress.EpochTable.on_epoch_begin = press
"""


@pytest.mark.slow
def test_an_interrupted_training_goes_on(tmp_path):
    (tmp_path / "ctrl_c.py").write_text(_CTRL_C)
    options = ("--set", "training.epochs=3", "--seed", "3")
    whole = sparse_keras("train", CONFIG, *options, "--output", "whole", cwd=tmp_path)
    stopped = sparse_keras("train", CONFIG, *options, "--import", "ctrl_c", cwd=tmp_path)
    assert stopped.returncode == 1
    told, command = stopped.stderr.splitlines()[-1].split(": ")
    assert told == "interrupted; continue with"
    program, *arguments = shlex.split(command)
    (folder,) = (tmp_path / "runs" / CONFIG).iterdir()
    expected = ["train", "--resume", str(folder.relative_to(tmp_path)), "--import", "ctrl_c"]
    assert (program, arguments) == ("sparse-keras", expected)

    # Another config has no unfinished run; this one has.
    assert_told(
        sparse_keras("train", CONFIG, "--seed", "4", "--resume", "last", cwd=tmp_path),
        "no unfinished run of this config",
    )
    done = sparse_keras(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3/3" in done.stdout and "2/3" not in done.stdout
    assert f"sparse-keras train {CONFIG} --set training.epochs=3" in done.stdout
    assert metrics_table(done) == metrics_table(whole)
    assert_told(sparse_keras(*arguments, cwd=tmp_path), "is finished")


def metrics_table(done):
    """The lines of the table of test metrics."""
    table = done.stdout[done.stdout.index("this run") :]
    return table[: table.index("run folder")]


@pytest.mark.slow
def test_resume_last(tmp_path):
    (tmp_path / "ctrl_c.py").write_text(_CTRL_C)
    options = ("--set", "training.epochs=3", "--output", "here")
    stopped = sparse_keras("train", CONFIG, *options, "--import", "ctrl_c", cwd=tmp_path)
    assert stopped.returncode == 1
    done = sparse_keras("train", CONFIG, *options, "--resume", "last", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "here" / CONFIG).iterdir())) == 1


def test_resume_takes_the_config_of_the_run(tmp_path, capsys):
    for given, named in (
        ([CONFIG], "CONFIG"),
        (["--set", "training.epochs=1"], "--set"),
        (["--seed", "0"], "--seed"),
        (["--output", "there"], "--output"),
    ):
        assert main(["train", *given, "--resume", str(tmp_path)]) == 2
        told = capsys.readouterr().err
        assert f"Leave out {named}." in told
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "environment.json" in capsys.readouterr().err
    assert main(["train"]) == 2
    assert "Nothing to train" in capsys.readouterr().err
    assert main(["train", "--resume", "last"]) == 2
    assert "Nothing to train" in capsys.readouterr().err


def test_resume_last_names_a_run_of_other_values(tmp_path, capsys):
    data = SimpleNamespace(digest=lambda: "digest", test=None)
    setting = "training.epochs=3"
    runs = [
        start_run(tmp_path, load_config(CONFIG, given), "tensorflow", data)
        for given in ((), setting)
    ]
    arguments = ["train", CONFIG, "--output", str(tmp_path), "--resume", "last"]
    _, chosen = train._config_and_run(build_parser().parse_args(arguments))
    assert chosen.path == runs[0].path
    told = f"also unfinished, with other values: sparse-keras train --resume {runs[1].path}\n"
    assert capsys.readouterr().err == told
    runs[0].finish({})
    assert main(arguments) == 2
    assert f"`sparse-keras train {CONFIG} --set {setting}`" in capsys.readouterr().err


def test_users_own_table(tmp_path, monkeypatch, capsys, eager_functions):
    """The README's CSV example: text, numbers, gaps."""
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{20 + i % 50},{'abc'[i % 3]},{'' if i % 7 == 0 else i},{'yes' if i % 50 > 25 else 'no'}"
        for i in range(400)
    ]
    (tmp_path / "churn.csv").write_text("\n".join(["age,plan,visits,churned", *rows]) + "\n")
    (tmp_path / "churn.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        "data: {type: csv, path: churn.csv, target: churned}\ntraining: {epochs: 3}\n"
    )
    assert main(["train", "churn.yaml"]) == 0
    assert "auc" in capsys.readouterr().out


def assert_told(done, *expected):
    """One clear error: exit code 2, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for text in expected:
        assert text in done.stderr


def test_a_mistake_is_one_error_in_a_users_shell(tmp_path):
    assert_told(sparse_keras("train", "tabular/sparse_mlp_adul", cwd=tmp_path), "sparse_mlp_adult")


def test_mistakes_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for arguments, *expected in (
        (["tabular/sparse_mlp"], "data"),
        ([CONFIG, "--set", "model.router.k=9"], "model.router.k", "num_experts"),
        ([CONFIG, "--set", "optimizer.learning_rate=.nan"], "learning_rate", "finite"),
    ):
        assert main(["train", *arguments]) == 2
        message = capsys.readouterr().err
        assert all(text in message for text in expected)
    assert not (tmp_path / "runs").exists()


def test_bad_tables_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(
        "version: 1\nextends: tabular/sparse_mlp\n"
        "data: {type: csv, path: own.csv, target: churned}\n"
    )
    assert main(["train", "own.yaml"]) == 2
    assert "own.csv" in capsys.readouterr().err
    (tmp_path / "own.csv").write_text("age,churn\n1,yes\n2,no\n")
    assert main(["train", "own.yaml"]) == 2
    message = capsys.readouterr().err
    assert "churned" in message and "churn" in message


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["tabular/sparse_mlp"], "`extends: tabular/sparse_mlp` and a data section, such as"),
        (["tabular/sparse_mlp", "--resume", "last"], "has no data section"),
        ([CONFIG, "--set", "optimizer=null"], "--set optimizer.type=adam"),
    ],
)
def test_a_config_that_cannot_be_trained_is_refused_before_keras_starts(
    arguments, message, monkeypatch, capsys
):
    monkeypatch.setattr("sparse_keras.cli.train.start_backend", None)
    assert main(["train", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and "--debug" not in err


@pytest.mark.parametrize(
    "overrides, shown",
    [
        ([], True),
        (["training.seed=0"], True),
        (["training.epochs=1"], False),
        (["model.dropout=0.9"], False),
        (["data.validation_fraction=0.5"], False),
    ],
)
def test_published_metrics_are_shown_beside_the_published_config_only(overrides, shown):
    config = load_config("tabular/sparse_mlp_adult", overrides)
    table = _metrics_table(config, {"auc": 0.9})
    heads = [column.header for column in table.columns]
    assert heads[:2] == ["test", "this run"]
    assert ("moe" in heads) == ("hgb" in heads) == shown
    assert not shown or "hgb: gradient boosting" in table.caption
