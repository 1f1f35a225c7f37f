"""A model compiled by JAX, once for each power of two that batches are padded to."""

import jax
import keras
import numpy as np

from sparse_keras._internal.powers import power_of_two


def is_distributed(model):
    """Returns whether Keras distributes arrays over devices."""
    del model
    return keras.distribution.distribution() is not None


def compiled(model, inputs, pad):
    """Returns a model as a function from arrays to arrays.

    Args:
        model: A `keras.Model`.
        inputs: Unused: JAX compiles for the arrays that come.
        pad: Whether rows may be added to a batch: whether each row is computed on its own.
    """

    del inputs

    @jax.jit
    def graph(trainable, others, x):
        return model.stateless_call(trainable, others, x, training=False)[0]

    def function(x):
        rows = keras.tree.flatten(x)[0].shape[0]
        padded = power_of_two(rows) if pad else rows
        outputs = graph(
            [variable.value for variable in model.trainable_variables],
            [variable.value for variable in model.non_trainable_variables],
            keras.tree.map_structure(lambda array: _padded(array, padded), x),
        )
        return keras.tree.map_structure(lambda array: np.asarray(array)[:rows], outputs)

    return function


def _padded(array, rows):
    """The array with its first row repeated at its end."""
    return np.concatenate([array, np.repeat(array[:1], rows - len(array), axis=0)])
