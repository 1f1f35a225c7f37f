"""TensorFlow: compiles the update of an optimizer with XLA, while the rest of the step is a graph.

One compiled function updates all variables. One for each variable would take XLA many times as long
to compile. `ResourceApplyAdam`, the fused kernel of TensorFlow, works for Adam only, leaves out
weight decay, and rounds beta_2 before it takes 1 - beta_2, an error of 1e-5.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from sparse_keras._internal.keras_private import APPLY_WEIGHT_DECAY, UPDATE_ALL


@contextlib.contextmanager
def compiled_update(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """A context in which `optimizer.apply` updates variables in one compiled function.

    Keras has no public hook after clipping, which needs all gradients, and before constraints and
    averages of weights, which need the updated weights. So the context replaces the two methods
    that `apply` calls there (see `keras_private`) by functions that call the original ones.
    """
    if not _can_compile():
        yield
        return
    apply_weight_decay = getattr(optimizer, APPLY_WEIGHT_DECAY)
    update_all = getattr(optimizer, UPDATE_ALL)
    update_one = optimizer.update_step

    def update(grads: list[Any], variables: list[keras.Variable], learning_rate: Any) -> None:
        if len({variable.value.device for variable in variables}) > 1:
            # A compiled function runs on one device.
            apply_weight_decay(variables)
            update_all(grads, variables, learning_rate)
            return
        pairs = list(zip(grads, variables, strict=True))
        dense_variables = [variable for grad, variable in pairs if not _is_sparse(grad)]
        dense_updates = []

        def update_or_defer(grad: Any, variable: keras.Variable, learning_rate: Any) -> None:
            if _is_sparse(grad):
                update_one(grad, variable, learning_rate)
            else:
                dense_updates.append((grad, variable, learning_rate))

        @tf.function(jit_compile=True, autograph=False)
        def update_dense() -> None:
            # Right before the update, so that XLA can fuse both to one pass over the weights.
            apply_weight_decay(dense_variables)
            for arguments in dense_updates:
                update_one(*arguments)

        apply_weight_decay([variable for grad, variable in pairs if _is_sparse(grad)])
        # Not a loop over `update_one`, since some optimizers, such as Nadam, do more than that.
        with _replaced(optimizer, update_step=update_or_defer):
            update_all(grads, variables, learning_rate)
        if dense_updates:
            update_dense()

    replacements = {APPLY_WEIGHT_DECAY: lambda variables: None, UPDATE_ALL: update}
    with _replaced(optimizer, **replacements):
        yield


def _is_sparse(grad: Any) -> bool:
    return isinstance(grad, tf.IndexedSlices)


def _can_compile() -> bool:
    # Eager steps are for debugging, and a compiled function cannot reduce over replicas.
    if tf.executing_eagerly() or tf.distribute.has_strategy():
        return False
    # XLA does not support Apple's GPUs.
    return sys.platform != "darwin" or not tf.config.list_physical_devices("GPU")


@contextlib.contextmanager
def _replaced(instance: Any, **methods: Callable) -> Iterator[None]:
    """A context in which an object has other methods."""
    own = {name: vars(instance)[name] for name in methods if name in vars(instance)}
    for name, method in methods.items():
        setattr(instance, name, method)
    try:
        yield
    finally:
        for name in methods:
            delattr(instance, name)
        for name, method in own.items():
            setattr(instance, name, method)
