"""docs/language_models.md: its config is one, and its commands exist."""

import pathlib
import re

import sparse_keras
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
