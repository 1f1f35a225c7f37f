"""JAX: `jax.custom_vjp`."""

import jax


def exporting():
    return False


def python_loops():
    return jax.disable_jit()


def linear_map(forward, transpose, x, *constants):
    @jax.custom_vjp
    def mapped(x, *constants):
        return forward(x, *constants)

    def mapped_forward(x, *constants):
        return mapped(x, *constants), constants

    def mapped_backward(constants, upstream):
        return linear_map(transpose, forward, upstream, *constants), *(None for _ in constants)

    mapped.defvjp(mapped_forward, mapped_backward)
    return mapped(x, *constants)


def bilinear_map(forward, transpose_x, transpose_w, x, w, *constants):
    @jax.custom_vjp
    def mapped(x, w, *constants):
        return forward(x, w, *constants)

    def mapped_forward(x, w, *constants):
        return mapped(x, w, *constants), (x, w, constants)

    def mapped_backward(residuals, upstream):
        x, w, constants = residuals
        return (
            transpose_x(upstream, w, *constants),
            transpose_w(upstream, x, *constants),
            *(None for _ in constants),
        )

    mapped.defvjp(mapped_forward, mapped_backward)
    return mapped(x, w, *constants)


def dynamic_slice(inputs, start_indices, shape):
    # One dtype for all: with x64, a literal 0 is int64 beside an index that is int32.
    start_indices = [jax.numpy.asarray(index, "int32") for index in start_indices]
    return jax.lax.dynamic_slice(inputs, start_indices, shape)


def dynamic_update_slice(inputs, start_indices, updates):
    start_indices = [jax.numpy.asarray(index, "int32") for index in start_indices]
    return jax.lax.dynamic_update_slice(inputs, updates, start_indices)


def repeat(count, body, state):
    if not isinstance(count, jax.core.Tracer):  # Eager: a loop of JAX would compile at each call.
        for index in range(int(count)):
            state = body(jax.numpy.int32(index), state)
        return state
    return jax.lax.fori_loop(0, count, body, state)


def map_calls(function, xs, dtype):
    del dtype
    if any(isinstance(x, jax.core.Tracer) for x in xs):
        return jax.lax.map(lambda parts: function(*parts), xs)
    # Eager: see `repeat`.
    return jax.numpy.stack([function(*(x[i] for x in xs)) for i in range(len(xs[0]))])
