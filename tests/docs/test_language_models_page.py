"""docs/language_models.md: its config is one, its commands exist, its numbers are measured."""

import pathlib
import re

import pytest

import sparse_keras
from benchmarks.language_models.page import PICTURE, results, steps_to_reach, written
from sparse_keras.cli import build_parser

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "language_models.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_config_is_valid(tmp_path):
    (block,) = blocks("yaml")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    (tmp_path / "lm.yaml").write_text(block)
    config = sparse_keras.load_config(tmp_path / "lm.yaml")
    assert config.model.sparse_blocks == config.model.depth == 4


def test_the_commands_are_valid():
    commands = [line for block in blocks("text") for line in block.splitlines()]
    assert len(commands) == 2
    for command in commands:
        args = build_parser().parse_args(
            [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', command)][1:]
        )
        if hasattr(args, "config"):
            sparse_keras.load_config(args.config)


def test_the_tables_are_those_of_the_results():
    """Otherwise run `python -m benchmarks.language_models.page`."""
    assert written(*results(), TEXT) == TEXT
    assert PICTURE.is_file()


def test_the_results_are_of_the_shipped_config():
    content, _ = results()
    config = sparse_keras.load_config(content["config"])
    assert content["hash"] == config.hash
    assert content["tokens_per_step"] == config.training.batch_size * config.data.context_length
    for runs in content["runs"].values():
        assert len(runs) >= 3
        for run in runs.values():
            assert run["steps"][-1] == config.training.steps


def test_steps_to_a_loss():
    run = {"steps": [100, 200, 300], "val_loss": [5.0, 4.0, 3.5]}
    assert steps_to_reach(run, 4.5) == pytest.approx(150)
    assert steps_to_reach(run, 4.0) == pytest.approx(200)
    assert steps_to_reach(run, 6.0) == 100
    assert steps_to_reach(run, 3.0) is None
