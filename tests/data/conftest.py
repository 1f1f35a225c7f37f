"""Configs for data tests: plain objects, since `load_data` reads attributes only."""

import functools
from types import SimpleNamespace

import pytest

from sparse_keras.data import load_table
from sparse_keras.schema import Config
from sparse_keras.schema.sections.tabular.columns import column_kinds
from sparse_keras.schema.sections.tabular.splits import RandomSplit


@pytest.fixture(autouse=True)
def fresh_state():
    """Replaces the fixture that clears Keras: nothing here leaves a state, and clearing is slow."""


@pytest.fixture
def make_config():
    """Returns a function that makes a config with a `data` section of the given keys."""

    def make(type, batch_size=32, training_seed=0, **data):
        common = {
            "validation_fraction": 0.1,
            "split_seed": 0,
            "bins": "tree",
            "max_bins": 32,
            "features": None,
        }
        file = {"columns": {}, "max_rows": None, "decimal": ".", "weight": None, "tasks": None}
        file |= {"missing": None, "missing_target": "error", "ignore_case": None}
        file |= {
            "encoding": "utf-8",
            "split": RandomSplit(),
            "test_path": None,
            "validation_path": None,
        }
        options = SimpleNamespace(type=type, **(common | file | data))
        options.load = functools.partial(load_table, options)
        training = SimpleNamespace(batch_size=batch_size, seed=training_seed)
        return Config.model_construct(data=options, training=training)

    return make


@pytest.fixture
def file_options():
    """Returns a function that makes the options of a reader of the user's own files."""

    def make(path, **changes):
        options = {
            "path": str(path),
            "target": "churned",
            "task": "auto",
            "columns": {},
            "max_rows": None,
            "weight": None,
            "separator": ",",
            "decimal": ".",
            "encoding": "utf-8",
            "sheet": None,
            "header_row": 1,
            "test_fraction": 0.25,
            "split_seed": 0,
            "missing": None,
            "missing_target": "error",
            "ignore_case": None,
            "split": RandomSplit(),
            "test_path": None,
            "validation_path": None,
            "validation_fraction": 0.0,
        }
        options |= changes
        return SimpleNamespace(**options | {"columns": column_kinds(options["columns"])})

    return make
