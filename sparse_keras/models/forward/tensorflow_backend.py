"""A network compiled by TensorFlow: one graph for batches of any size."""

import keras
import tensorflow as tf

from sparse_keras._internal.strategy import num_replicas


def is_distributed(network):
    """Returns whether a network was made for several replicas."""
    return num_replicas(network) > 1


def compiled(network, pad):
    """Returns the network as a function from arrays to arrays.

    Args:
        network: A functional network.
        pad: Whether rows may be added to a batch, which TensorFlow does not need.
    """
    del pad
    signature = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype), network.input
    )

    @tf.function(input_signature=[signature])
    def graph(x):
        return network(x, training=False)

    def function(x):
        x = keras.tree.map_structure(
            lambda array, spec: tf.constant(array, spec.dtype), x, signature
        )
        return keras.tree.map_structure(lambda tensor: tensor.numpy(), graph(x))

    return function
