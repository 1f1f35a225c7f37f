"""A model on PyTorch, which runs as it is."""

import keras
import torch


def is_distributed(model):
    """Returns False: Keras does not distribute on PyTorch by itself."""
    del model
    return False


def compiled(model, inputs, pad):
    """Returns a model as a function from arrays to arrays.

    Args:
        model: A `keras.Model`.
        inputs: Unused: nothing is compiled.
        pad: Whether rows may be added to a batch, which PyTorch does not need.
    """
    del inputs, pad

    def function(x):
        with torch.no_grad():
            x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
            outputs = model(x, training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    return function
