"""The JSON Schema: up to date, named by every config, and in agreement with our own checks."""

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from sparse_keras.schema import ConfigError, find_configs, load_config
from sparse_keras.schema.json_schema import FILE
from sparse_keras.schema.zoo import config_names

NAMES = config_names()
FOLDER = find_configs()


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((FOLDER / FILE).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def read(text):
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)
    return yaml.load(text)


def test_the_file_is_up_to_date():
    """Otherwise run `sparse-keras schema --output configs/schema.json`.

    In a process of its own: other tests register plug-ins in this one.
    """
    command = [sys.executable, "-m", "sparse_keras", "schema"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert (FOLDER / FILE).read_text(encoding="utf-8") == done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_config_names_the_schema_and_fits_it(name, validator):
    path = FOLDER / f"{name}.yaml"
    first, rest = path.read_text(encoding="utf-8").split("\n", 1)
    start, relative = first.split("$schema=")
    assert start == "# yaml-language-server: "
    assert (path.parent / relative).resolve() == (FOLDER / FILE).resolve()
    assert list(validator.iter_errors(read(rest))) == []
    # With all its values, too.
    assert list(validator.iter_errors(read(load_config(name).to_yaml()))) == []


MODEL = "model: {type: sparse_mlp, experts: {type: mlp, num_experts: 4, hidden_dim: 8}}\n"
FILES = {
    "complete": (f"version: 1\n{MODEL}", True),
    "no version": (MODEL, False),
    "an unknown key": (f"version: 1\nepochs: 3\n{MODEL}", False),
    "an unknown key inside": (f"version: 1\n{MODEL}training: {{epoch: 3}}\n", False),
    "a wrong type": (f"version: 1\n{MODEL}training: {{epochs: two}}\n", False),
    "out of bounds": (f"version: 1\n{MODEL}training: {{epochs: 0}}\n", False),
    "an unknown choice": (f"version: 1\n{MODEL}optimizer: {{type: adan}}\n", False),
    "no type": (f"version: 1\n{MODEL}optimizer: {{learning_rate: 0.1}}\n", False),
    "keys of another type": (
        f"version: 1\n{MODEL}optimizer: {{type: adam, momentum: 0.1}}\n",
        False,
    ),
    "a part of what it extends": (
        "extends: tabular/sparse_mlp\nmodel: {router: {k: 1}}\ntraining: {epochs: 3}\n",
        True,
    ),
    "a typo in what it extends": ("extends: tabular/sparse_mlp\nmodel: {router: {kk: 1}}\n", False),
    "columns of one's own": (
        f"version: 1\n{MODEL}"
        "data: {type: csv, path: a.csv, target: [x, y], columns: {z: ignore}}\n",
        True,
    ),
    "an unknown kind of column": (
        f"version: 1\n{MODEL}data: {{type: csv, path: a.csv, target: x, columns: {{z: skip}}}}\n",
        False,
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_editor_and_program_agree(case, validator, tmp_path):
    text, good = FILES[case]
    assert validator.is_valid(read(text)) == good
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    if good:
        load_config(path)
    else:
        with pytest.raises(ConfigError):
            load_config(path)
