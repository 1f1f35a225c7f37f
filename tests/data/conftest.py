"""Configs for data tests: plain objects, since `load_data` reads attributes only."""

from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def fresh_state():
    """Replaces the fixture that clears Keras: nothing here leaves a state, and clearing is slow."""


@pytest.fixture
def make_config():
    """Returns a function that makes a config with a `data` section of the given keys."""

    def make(type, batch_size=32, training_seed=0, **data):
        common = {"validation_fraction": 0.1, "split_seed": 0, "bins": "tree", "max_bins": 32}
        return SimpleNamespace(
            data=SimpleNamespace(type=type, **(common | data)),
            training=SimpleNamespace(batch_size=batch_size, seed=training_seed),
        )

    return make
