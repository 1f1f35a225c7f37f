"""TensorFlow: `tf.custom_gradient`, and what XLA has but `tf` has not."""

import contextlib

import tensorflow as tf

from sparse_keras._internal import tensorflow_private
from sparse_keras._internal.keras_private import export_format


def exporting():
    """Whether the graph that is being traced is to be exported."""
    return not tf.executing_eagerly() and export_format() is not None


def python_loops():
    return contextlib.nullcontext()  # As they do.


def linear_map(forward, transpose, x, *constants):
    if exporting():
        # `custom_gradient` would leave loose ends, which OpenVINO takes for outputs of the model.
        return forward(_like(_tensors(x)), *constants)

    @tf.custom_gradient
    def mapped(*parts):
        def grad(*upstream):
            return linear_map(transpose, forward, _like(upstream), *constants)

        return forward(_constant(_like(parts)), *constants), grad

    return mapped(*_tensors(x))


def bilinear_map(forward, transpose_x, transpose_w, x, w, *constants):
    x, w = _tensors(x), _tensors(w)

    @tf.custom_gradient
    def mapped(*parts):
        x_parts, w_parts = _like(parts[: len(x)]), _like(parts[len(x) :])

        def grad(*upstream):
            x_grad = transpose_x(_like(upstream), w_parts, *constants)
            w_grad = transpose_w(_like(upstream), x_parts, *constants)
            return [*_tensors(x_grad), *_tensors(w_grad)]

        return forward(_constant(x_parts), _constant(w_parts), *constants), grad

    return mapped(*x, *w)


def _tensors(x):
    # Of a variable read inside, `custom_gradient` would make one more input of the function.
    return [tf.convert_to_tensor(part) for part in (x if isinstance(x, tuple) else (x,))]


def _constant(parts):
    # Else a second derivative asks for that of each operation inside, and XLA's slices have none.
    return tf.nest.map_structure(tf.stop_gradient, parts)


def _like(parts):
    return parts if len(parts) > 1 else parts[0]


def dynamic_slice(inputs, start_indices, shape):
    return tensorflow_private.dynamic_slice(inputs, _start(start_indices), shape)


def dynamic_update_slice(inputs, start_indices, updates):
    return tensorflow_private.dynamic_update_slice(inputs, updates, _start(start_indices))


def _start(indices):
    return tf.stack([tf.cast(index, tf.int32) for index in indices])


def repeat(count, body, state):
    def next_index(index, state):
        return index + 1, body(index, state)

    return tf.while_loop(lambda index, _: index < count, next_index, (tf.constant(0), state))[1]


def map_calls(function, xs, dtype):
    return tf.map_fn(lambda parts: function(*parts), xs, fn_output_signature=tf.as_dtype(dtype))
