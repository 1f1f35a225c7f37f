"""The shipped configs: each loads, its header's commands are right, and no typo goes unnoticed."""

import random
import shlex

import pytest

import sparse_keras
from sparse_keras.cli import build_parser
from sparse_keras.schema import ConfigError, find_configs, list_configs, load_config
from sparse_keras.schema.core.errors import Source
from sparse_keras.schema.core.text import parse
from sparse_keras.schema.zoo import config_names

NAMES = config_names()


def header(name):
    lines = (find_configs() / f"{name}.yaml").read_text().splitlines()
    return [line for line in lines if line.startswith("#")]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_config_says_what_it_is_and_how_to_run_it(name):
    config = load_config(name)
    assert config.description
    commands = [
        shlex.split(line[line.index("sparse-keras") :])[1:]
        for line in header(name)
        if "sparse-keras" in line
    ]
    assert commands
    for command in commands:
        args = build_parser().parse_args(command)
        if command[0] == "generate":  # It takes the run, not the config.
            assert config.model.GENERATES
        elif config.data is None:  # a base: the command is about the user's own file
            assert args.config.endswith(".yaml")
        else:
            assert args.config == name
            load_config(args.config, args.overrides)


@pytest.mark.parametrize("name", NAMES)
def test_typos_in_any_key_are_found_on_their_line_with_the_right_suggestion(name, tmp_path):
    text = (find_configs() / f"{name}.yaml").read_text()
    root, _ = parse(text, Source.of_text(name, text))
    lines = text.splitlines()
    checked, rng = 0, random.Random(name)
    for key, mark in _keys(root):
        # One of each key: most keys are in many configs, with other typos in each.
        for typo in rng.sample(sorted(_typos(key)), 1) if len(key) >= 3 else ():
            line, start = lines[mark.line - 1], mark.column - 1
            changed = [*lines]
            changed[mark.line - 1] = line[:start] + typo + line[start + len(key) :]
            path = tmp_path / "typo.yaml"
            path.write_text("\n".join(changed))
            with pytest.raises(ConfigError) as caught:
                load_config(path)
            problems = [p for p in caught.value.problems if p.mark.line == mark.line]
            assert any(f"did you mean {key!r}" in p.message for p in problems), (typo, caught.value)
            checked += 1
    assert checked > 7


def _keys(node):
    if node.is_mapping:
        for key, child in node.value.items():
            yield key, child.key
            yield from _keys(child)


def _typos(key):
    """The key with a letter dropped, doubled, or swapped with the next, at every place."""
    typos = set()
    for i in range(len(key)):
        typos.add(key[:i] + key[i + 1 :])
        typos.add(key[: i + 1] + key[i:])
        typos.add(key[:i] + key[i + 1 : i + 2] + key[i] + key[i + 2 :])
    return typos - {key}


def test_list_configs():
    entries = {entry.name: entry for entry in list_configs()}
    assert sorted(entries) == NAMES
    adult = entries["tabular/sparse_mlp_adult"]
    assert (adult.model, adult.data) == ("sparse_mlp", "adult")
    assert adult.description == load_config(adult.name).description
    assert entries["tabular/sparse_mlp"].data is None
    assert sparse_keras.list_configs("*sparse_mlp_adult") == [adult]
    assert adult in sparse_keras.list_configs("adult") != [adult]
    assert list_configs("nothing") == []


def test_the_articles_numbers():
    config = load_config("tabular/sparse_mlp_article")
    assert (config.data.num_features, config.data.num_labels) == (100, 64)
    assert config.model.experts.kwargs() == {
        "num_experts": 16,
        "units": 100,
        "activation": "relu",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
    }
    assert config.model.stem is None and config.model.depth == 1
    assert config.optimizer.type == "adam"
    assert (config.training.batch_size, config.training.epochs) == (32, 20)
