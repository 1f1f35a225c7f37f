"""Models with mixtures, whose weights are not those of an initializer."""

import keras
import numpy as np

from sparse_keras import layers
from sparse_keras.models import causal_lm
from tests.support.gradients import to_numpy

RNG = np.random.default_rng(11)


def randomized(model):
    for variable in model.trainable_variables:
        variable.assign(variable + RNG.normal(size=variable.shape) * 0.3)
    return model


def model_of(experts, k=2, width=5, **options):
    mixture = layers.MixtureOfExperts(experts, k=k, name="mixture", **options)
    return randomized(keras.Sequential([keras.Input((width,)), mixture, keras.layers.Dense(2)]))


def language_model(**changes):
    arguments = {
        "vocabulary_size": 20,
        "depth": 2,
        "width": 8,
        "num_heads": 2,
        "experts": {"type": "glu", "num_experts": 6, "hidden_dim": 4},
        "router": {"type": "top_k", "k": 2},
    }
    return randomized(causal_lm(**arguments | changes))


def rows(count=40, width=5):
    return RNG.normal(size=(count, width)).astype("float32")


def assert_close(found, expected, **tolerance):
    np.testing.assert_allclose(to_numpy(found), to_numpy(expected), **tolerance)


def assert_equal(found, expected):
    np.testing.assert_array_equal(to_numpy(found), to_numpy(expected))
