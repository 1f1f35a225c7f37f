"""Counting training steps inside a layer."""

from keras.src.backend import get_stateless_scope  # No public way tells the scope in force.


def first_call_of_step(layer):
    """Whether this is the layer's first call within the call of the model around it.

    A layer that a model calls several times in one step counts that step once. Outside of a model,
    every call of the layer is one. Ask only once in a call.
    """
    # Keras makes one object for each outermost call, and drops it afterwards; on JAX, a training
    # step is one stateless scope instead. In a compiled function that is told while it is traced,
    # as it should be: there, a call is part of the step.
    context = get_stateless_scope() or layer._get_call_context()
    counted = context.__dict__.setdefault("_sparse_keras_counted", [])
    if any(one is layer for one in counted):
        return False
    counted.append(layer)
    return True
