"""A network on PyTorch, which runs as it is."""

import keras
import torch


def is_distributed(network):
    """Returns False: Keras does not distribute on PyTorch by itself."""
    del network
    return False


def compiled(network, pad):
    """Returns the network as a function from arrays to arrays.

    Args:
        network: A functional network.
        pad: Whether rows may be added to a batch, which PyTorch does not need.
    """
    del pad

    def function(x):
        with torch.no_grad():
            x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
            outputs = network(x, training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    return function
