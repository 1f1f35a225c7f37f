"""Completion in the shell, asked as `argcomplete` is by bash."""

import io
import os
import subprocess
import sys

import pytest

from sparse_keras.cli import build_parser
from sparse_keras.cli.completion import add_completers
from sparse_keras.schema import list_configs

argcomplete = pytest.importorskip("argcomplete")


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("churn.yaml", "churn.yml", "churn.csv", "my configs/a.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for folder in ("runs/tabular/x/1", "runs/churn/2", "elsewhere/runs/churn/3"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "environment.json").touch()

    def no_debugging(*args):
        raise OSError  # It would write to a file of pytest's, number 9.

    monkeypatch.setattr(os, "fdopen", no_debugging)

    def words(line):
        parser = build_parser()
        add_completers(parser)
        monkeypatch.setenv("_ARGCOMPLETE", "1")
        monkeypatch.setenv("_ARGCOMPLETE_IFS", "\n")
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        output = io.StringIO()
        finder = argcomplete.CompletionFinder()
        with pytest.raises(SystemExit):
            finder(parser, exit_method=exit_quietly, output_stream=output)
        return [word.rstrip() for word in output.getvalue().split("\n")]

    return words


def exit_quietly(code):
    raise SystemExit(code)


def test_verbs_and_options(words):
    assert words("sparse-keras tr") == ["train"]
    assert words("sparse-keras train --res") == ["--resume"]
    assert {"--set", "--seed", "--output"} <= set(words("sparse-keras train -"))
    assert words("sparse-keras evaluate x --part v") == ["validation"]
    assert words("sparse-keras data f") == ["fetch"]


def config_names_of_adult():
    return [entry.name for entry in list_configs("tabular/sparse_mlp_adult*")]


def test_configs(words):
    assert words("sparse-keras train tabular/sparse_mlp_adult") == config_names_of_adult()
    assert set(words("sparse-keras train ch")) == {"churn.yaml", "churn.yml"}
    assert words("sparse-keras check churn.yaml my") == ["my\\ configs/"]


def test_runs(words):
    assert set(words("sparse-keras evaluate ")) >= {"runs/tabular/x/1", "runs/churn/2"}
    assert words("sparse-keras evaluate runs/t") == ["runs/tabular/x/1"]
    assert words("sparse-keras train --resume runs/c") == ["runs/churn/2"]
    assert words("sparse-keras predict elsewhere/") == ["elsewhere/runs/churn/3"]
    assert words("sparse-keras predict else") == ["elsewhere/runs/churn/3"]


def test_last(words):
    assert words("sparse-keras report la") == ["last"]
    assert "last" in words("sparse-keras predict ")
    assert words("sparse-keras train --resume las") == ["last"]


def test_keys_and_data_sets(words):
    assert "training.epochs=" in words("sparse-keras train x --set training.ep")
    assert "support2" in words("sparse-keras data fetch su")


def test_the_program_answers_the_shell_and_runs_nothing(tmp_path):
    line = "sparse-keras init"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "words"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-m", "sparse_keras", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (tmp_path / "words").read_text() == "init "
    assert done.stdout == ""


def test_argcomplete_is_optional_and_costs_nothing_otherwise():
    code = (
        "import sys; sys.modules['argcomplete'] = None\n"
        "from sparse_keras.cli import main\nmain(['list', 'adult'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "sparse_mlp_adult" in done.stdout
