"""Runs the examples in public docstrings, and checks that every public class has one."""

import doctest
import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest

import sparse_keras
import sparse_keras.layers

pytestmark = pytest.mark.usefixtures("eager_module")

MODULES = [
    module.name
    for module in pkgutil.walk_packages(sparse_keras.__path__, "sparse_keras.")
    if not module.name.endswith("_backend") and "__main__" not in module.name
]


@pytest.mark.tensorflow
@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    globs = {"keras": keras, "np": np, "sparse_keras": sparse_keras}
    module = importlib.import_module(module)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(module, extraglobs=globs, optionflags=flags).failed == 0


@pytest.mark.parametrize("name", sparse_keras.layers.__all__)
def test_public_layers_are_documented(name):
    text = inspect.getdoc(getattr(sparse_keras.layers, name))
    assert "Args:" in text and "Call arguments:" in text
    if name not in ("Experts", "Router"):  # The base classes are used through their subclasses.
        assert "Example:" in text and ">>>" in text
