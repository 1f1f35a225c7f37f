"""A bank, a router or a shared expert belongs to the layer that was made last with it."""

import gc

import keras
import numpy as np
import pytest

from sparse_keras.layers import (
    DenseExperts,
    DepthSharedMixtureOfExperts,
    ExpertEnsemble,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    SoftMixtureOfExperts,
)

X = np.ones((4, 6), "float32")

BANK = """
import keras
import numpy as np
from sparse_keras.layers import DenseExperts, MixtureOfExperts, TopKRouter
bank, router = DenseExperts(4, 6), TopKRouter(k=2)
X = np.ones((4, 6), "float32")
"""
MODEL = """
layer = MixtureOfExperts(bank, router=router, name="mixture")
model = keras.Sequential([keras.Input((6,)), layer])
model.compile("sgd", "mse", run_eagerly=True)
model.fit(X, X, verbose=0)
"""


def test_a_cell_of_a_notebook_is_run_again(tmp_path):
    notebook = {}
    exec(BANK, notebook)
    exec(MODEL, notebook)
    exec(MODEL, notebook)  # While `model` is still the old one.
    notebook["model"].save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = keras.ops.convert_to_numpy(notebook["model"](X))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loaded(X)), expected, rtol=1e-6)


def test_after_del():
    bank = DenseExperts(4, 6)
    layer = MixtureOfExperts(bank)
    layer(X)
    del layer
    MixtureOfExperts(bank)(X)


def test_a_later_owner_that_is_gone_takes_nothing():
    bank = DenseExperts(4, 6)
    layer = MixtureOfExperts(bank)
    other = MixtureOfExperts(bank)
    gc.disable()
    try:
        other.itself = other  # As callbacks and models do: gone only when cycles are collected.
        del other
        layer(X)
    finally:
        gc.enable()


def test_two_layers_of_one_model():
    bank = DenseExperts(4, 6)
    layers = [MixtureOfExperts(bank, name=name) for name in ("first", "second")]
    with pytest.raises(ValueError, match="part of 'first', and of 'second'.* Give each layer"):
        keras.Sequential([keras.Input((6,)), *layers])


def test_two_branches_of_one_model(tmp_path):
    bank, inputs = DenseExperts(4, 6), keras.Input((6,))
    first = MixtureOfExperts(bank, name="first")(inputs)
    second = MixtureOfExperts(bank, name="second")(inputs)
    model = keras.Model(inputs, first + second)
    with pytest.raises(ValueError, match="part of 'first', and of 'second'"):
        model(X)
    with pytest.raises(ValueError, match="part of 'first', and of 'second'"):
        model.save(tmp_path / "model.keras")


@pytest.mark.parametrize(
    "make",
    [
        lambda bank: MultiGateMixtureOfExperts(bank, {"a": "dense"}),
        lambda bank: DepthSharedMixtureOfExperts(bank, num_depths=1),
        ExpertEnsemble,
        SoftMixtureOfExperts,
    ],
    ids=["multi_gate", "depth_shared", "ensemble", "soft"],
)
def test_each_layer_owns_its_bank(make):
    bank = DenseExperts(4, 6)
    layer = make(bank)
    other = MixtureOfExperts(bank)
    arguments = {"depth": 0} if isinstance(layer, DepthSharedMixtureOfExperts) else {}
    with pytest.raises(ValueError, match="is part of"):
        layer(X[None], **arguments)
    other(X)
