"""Generation compiled by TensorFlow."""

import keras
import tensorflow as tf


def compiled(model, function, jit_compile):
    """Returns a function of arrays as a graph, one for each combination of their shapes.

    Args:
        model: The `CausalLM` that it calls, whose variables the graph reads where they are.
        function: A function from tensors to tensors, nested in tuples, lists and dicts.
        jit_compile: Whether XLA compiles the graph.
    """
    del model
    # Loops and conditions are Keras's: there is nothing for AutoGraph to rewrite, which takes long.
    graph, graphs = tf.function(function, jit_compile=jit_compile, autograph=False), {}

    def call(*arguments):
        arguments = keras.tree.map_structure(tf.convert_to_tensor, arguments)
        shapes = tuple(tuple(tensor.shape) for tensor in keras.tree.flatten(arguments))
        if shapes not in graphs:
            # Called by itself, TensorFlow would warn of many shapes, which are meant here.
            graphs[shapes] = graph.get_concrete_function(*arguments)
        return graphs[shapes](*arguments)

    return call
