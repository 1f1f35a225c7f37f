"""JAX: padded blocks with a hand-written gradient.

`jax.lax.ragged_dot` is not used: on CPU it computes every group for every row.
"""

import jax
import jax.numpy as jnp

from sparse_keras.ops import padded_blocks


def linear_map(forward, transpose, x, *constants):
    # The constants are arguments, not closures: JAX refuses to differentiate a custom_vjp function
    # that closes over values of the trace it is differentiated in.
    @jax.custom_vjp
    def mapped(x, *constants):
        return forward(x, *constants)

    def mapped_forward(x, *constants):
        return mapped(x, *constants), constants

    def mapped_backward(constants, upstream):
        return linear_map(transpose, forward, upstream, *constants), *(None for _ in constants)

    mapped.defvjp(mapped_forward, mapped_backward)
    return mapped(x, *constants)


def truncate(rows, count):
    del count  # Under `jit` no shape depends on data.
    return rows


@jax.custom_vjp
def grouped_matmul(x, w, group_sizes):
    return padded_blocks.matmul(x, w, group_sizes)


def _forward(x, w, group_sizes):
    return grouped_matmul(x, w, group_sizes), (x, w, group_sizes)


def _backward(residuals, upstream):
    x, w, group_sizes = residuals
    dx = grouped_matmul(upstream, jnp.swapaxes(w, 1, 2), group_sizes)
    dw = padded_blocks.outer(x, upstream, group_sizes)
    return dx, dw, None


grouped_matmul.defvjp(_forward, _backward)
