"""Gradients on every backend, as NumPy arrays."""

import inspect

import keras
import numpy as np
from keras import ops


def to_numpy(tensor):
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def gradients(function, *arrays):
    """Gradients of a scalar function in each float array."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        inputs = [tf.convert_to_tensor(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        return [to_numpy(g) for g in tape.gradient(value, inputs)]
    if backend == "jax":
        import jax

        found = jax.grad(function, argnums=tuple(range(len(arrays))))(
            *(jax.numpy.asarray(a) for a in arrays)
        )
        return [to_numpy(g) for g in found]
    import torch

    inputs = [ops.convert_to_tensor(a).detach().requires_grad_() for a in arrays]
    with torch.enable_grad():
        function(*inputs).backward()
    return [to_numpy(x.grad) for x in inputs]


def layer_gradients(layer, inputs, loss, **call_arguments):
    """Gradients of `loss(outputs) + auxiliary losses` in the inputs and the trainable weights.

    Returns:
        Pair of the inputs' gradient and a dict from weight names to gradients.
    """
    backend = keras.backend.backend()
    variables = layer.trainable_variables
    names = [v.path.split("/", 1)[-1] for v in variables]
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(inputs)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(layer(x, **call_arguments)) + sum(layer.losses)
        dx, found = tape.gradient(value, (x, [v.value for v in variables]))
    elif backend == "jax":
        import jax

        other = [v.value for v in layer.non_trainable_variables]
        # Unlike `__call__`, `stateless_call` hands `training` to layers that do not take it, too.
        if "training" not in inspect.signature(layer.call).parameters:
            call_arguments.pop("training", None)

        def objective(x, values):
            outputs, _, losses = layer.stateless_call(
                values, other, x, return_losses=True, **call_arguments
            )
            return loss(outputs) + sum(losses)

        dx, found = jax.grad(objective, argnums=(0, 1))(
            jax.numpy.asarray(inputs), [v.value for v in variables]
        )
    else:
        import torch

        x = ops.convert_to_tensor(inputs).detach().requires_grad_()
        for v in variables:
            v.value.grad = None
        with torch.enable_grad():
            (loss(layer(x, **call_arguments)) + sum(layer.losses)).backward()
        dx, found = x.grad, [v.value.grad for v in variables]
    return to_numpy(dx), {
        name: None if g is None else to_numpy(g) for name, g in zip(names, found, strict=True)
    }
