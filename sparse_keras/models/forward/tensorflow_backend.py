"""A model compiled by TensorFlow: one graph for batches of any size."""

import keras
import tensorflow as tf

from sparse_keras._internal.strategy import num_replicas


def is_distributed(model):
    """Returns whether a model was made for several replicas."""
    return num_replicas(model) > 1


def compiled(model, inputs, pad):
    """Returns a model as a function from arrays to arrays.

    Args:
        model: A `keras.Model`.
        inputs: Symbolic tensors like the arrays that it will be called with; axes whose size may
            change are `None`.
        pad: Whether rows may be added to a batch, which TensorFlow does not need.
    """
    del pad
    signature = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), inputs
    )

    @tf.function(input_signature=[signature])
    def graph(x):
        return model(x, training=False)

    def function(x):
        outputs = graph(keras.tree.map_structure(tf.constant, x))
        return keras.tree.map_structure(lambda tensor: tensor.numpy(), outputs)

    return function
