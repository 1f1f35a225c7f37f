"""Steps on JAX: jitted, the weights as arguments."""

import jax
import jax.numpy as jnp

tensor = jnp.asarray
wait = jax.block_until_ready


def device():
    """The name of the GPU, or None."""
    first = jax.devices()[0]
    return None if first.platform == "cpu" else first.device_kind


def device_peak():
    """The most bytes that were in use on the GPU, or None."""
    first = jax.devices()[0]
    return None if first.platform == "cpu" else first.memory_stats()["peak_bytes_in_use"]


def inference(layer, xla):
    @jax.jit
    def step(trainable, other, x):
        return layer.stateless_call(trainable, other, x, training=False)[0]

    return lambda x: step(*_state(layer), x)


def gradient(layer, xla):
    def loss(trainable, x, other, upstream):
        y, other, losses = layer.stateless_call(
            trainable, other, x, training=True, return_losses=True
        )
        return jnp.sum(y.astype("float32") * upstream) + sum(losses), other

    step = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
    trainable, other = _state(layer)
    return lambda x, upstream: step(trainable, x, other, upstream)


def _state(layer):
    return (
        [v.value for v in layer.trainable_variables],
        [v.value for v in layer.non_trainable_variables],
    )
