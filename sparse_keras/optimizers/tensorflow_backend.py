"""TensorFlow: compiles the update of an optimizer with XLA, while the rest of the step is a graph.

All variables are updated in one compiled function. One for each variable would take XLA many times
as long to compile, and `ResourceApplyAdam`, the fused kernel of TensorFlow, would serve Adam only;
it rounds beta_2 before it takes 1 - beta_2, which is off by 1e-5, and leaves out weight decay.
"""

import contextlib
import sys

import tensorflow as tf

from sparse_keras._internal.keras_private import APPLY_WEIGHT_DECAY, UPDATE_ALL


@contextlib.contextmanager
def compiled_update(optimizer):
    """A context in which `optimizer.apply` updates variables in one compiled function.

    Keras has no public way to set in after clipping, which needs all gradients, and before the
    constraints and averages of weights, which need the update to be done. So the two methods that
    `apply` calls there are replaced in this optimizer while it lasts, and call the optimizer's own.
    """
    if not _can_compile():
        yield
        return
    apply_weight_decay = getattr(optimizer, APPLY_WEIGHT_DECAY)
    update_all = getattr(optimizer, UPDATE_ALL)
    update_one = optimizer.update_step

    def update(grads, variables, learning_rate):
        if len({variable.value.device for variable in variables}) > 1:
            # A compiled function knows one device.
            apply_weight_decay(variables)
            update_all(grads, variables, learning_rate)
            return
        pairs = list(zip(grads, variables, strict=True))
        dense_variables = [variable for grad, variable in pairs if not _is_sparse(grad)]
        dense_updates = []

        def update_or_defer(grad, variable, learning_rate):
            if _is_sparse(grad):
                update_one(grad, variable, learning_rate)
            else:
                dense_updates.append((grad, variable, learning_rate))

        @tf.function(jit_compile=True, autograph=False)
        def update_dense():
            # Right before the update, so that both can be one pass over the weights.
            apply_weight_decay(dense_variables)
            for arguments in dense_updates:
                update_one(*arguments)

        apply_weight_decay([variable for grad, variable in pairs if _is_sparse(grad)])
        # Not a loop over `update_one`: some optimizers, such as Nadam, do more than that.
        with _replaced(optimizer, update_step=update_or_defer):
            update_all(grads, variables, learning_rate)
        if dense_updates:
            update_dense()

    replacements = {APPLY_WEIGHT_DECAY: lambda variables: None, UPDATE_ALL: update}
    with _replaced(optimizer, **replacements):
        yield


def _is_sparse(grad):
    return isinstance(grad, tf.IndexedSlices)


def _can_compile():
    # Eager steps are for looking into, and a compiled function may not reduce over replicas.
    if tf.executing_eagerly() or tf.distribute.has_strategy():
        return False
    # XLA knows no GPU of Apple's.
    return sys.platform != "darwin" or not tf.config.list_physical_devices("GPU")


@contextlib.contextmanager
def _replaced(instance, **methods):
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
