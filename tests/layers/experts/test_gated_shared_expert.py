"""GatedSharedExpert: a shared expert behind a gate of each token."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import GatedSharedExpert, MixtureOfExperts, MLPExperts
from tests.layers.test_equality import assert_close
from tests.support.gradients import to_numpy

RNG = np.random.default_rng(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("shape", [(1, 5), (7, 5), (2, 3, 5)])
def test_each_token_has_a_gate_of_its_own(shape):
    layer = GatedSharedExpert(keras.layers.Dense(4, activation="relu"))
    x = RNG.normal(size=shape).astype("float32")
    y = to_numpy(layer(x))
    gate = sigmoid(x @ to_numpy(layer.kernel))
    assert gate.shape == (*shape[:-1], 1)
    assert_close(y, gate * to_numpy(layer.layer(x)), "outputs")


def test_a_mixture_adds_what_passes_the_gate():
    shared = GatedSharedExpert(keras.layers.Dense(5))
    layer = MixtureOfExperts(MLPExperts(4, 3), shared_expert=shared)
    x = RNG.normal(size=(6, 5)).astype("float32")
    both = to_numpy(layer(x))
    shared.layer.kernel.assign(np.zeros((5, 5)))
    routed = to_numpy(layer(x))
    assert np.abs(both - routed).max() > 0.01
    shared.kernel.assign(np.full((5, 1), 1e3) * np.sign(x[0])[:, None])  # Open to the first token.
    shared.layer.kernel.assign(np.eye(5))
    assert_close(to_numpy(layer(x))[0] - routed[0], x[0], "an open gate")


def test_a_layer_inside_gets_the_mask_and_is_told_of_training():
    class Told(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs, mask=None, training=None):
            self.told = (mask is not None, training)
            return inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    inner = Told()
    layer = GatedSharedExpert(inner)
    layer(np.ones((2, 3, 4), "float32"), mask=np.ones((2, 3), bool), training=True)
    assert inner.told == (True, True)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: GatedSharedExpert(5), ["`layer`", "Keras layer", "5"]),
        (
            lambda: GatedSharedExpert(keras.layers.Flatten())(np.ones((2, 3, 4), "float32")),
            ["each token", "(2, 3, 4)", "(2, 12)"],
        ),
    ],
)
def test_errors_name_what_came(make, words):
    with pytest.raises(ValueError) as error:
        make()
    for word in words:
        assert word in str(error.value)
