"""TensorFlow: a list of matmuls over slices in eager and graph mode, padded blocks under XLA."""

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # No public way tells that XLA will compile.

from sparse_keras.ops import padded_blocks


def in_static_graph():
    """Whether the graph being traced is to be compiled by XLA, which needs static shapes."""
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def linear_map(forward, transpose, x, *constants):
    @tf.custom_gradient
    def mapped(x):
        def grad(upstream):
            return linear_map(transpose, forward, upstream, *constants)

        return forward(x, *constants), grad

    # A variable read inside would be taken for one more input of the function.
    return mapped(tf.convert_to_tensor(x))


def truncate(rows, count):
    return rows if in_static_graph() else rows[:count]


def grouped_matmul(x, w, group_sizes, transpose=False):
    """The gradient is written for the whole bank.

    Autodiff of the slices `w[e]` would make one full-size gradient for each expert, and add them.
    With `transpose`, rows are multiplied by the transposed matrices, without a copy of the bank.
    """
    static = in_static_graph()
    matmul = padded_blocks.matmul if static else _split_matmul
    outer = padded_blocks.outer if static else _split_outer

    @tf.custom_gradient
    def product(x, w):
        def grad(upstream):
            dx = grouped_matmul(upstream, w, group_sizes, transpose=not transpose)
            pair = (upstream, x) if transpose else (x, upstream)
            return dx, outer(*pair, group_sizes)

        return matmul(x, w, group_sizes, transpose), grad

    return product(tf.convert_to_tensor(x), tf.convert_to_tensor(w))


def _split(rows, group_sizes):
    """One slice for each group, and one of the rows in no group."""
    group_sizes = tf.cast(group_sizes, tf.int32)
    rest = tf.shape(rows)[0] - tf.reduce_sum(group_sizes)
    num_groups = group_sizes.shape[0]
    slices = tf.split(rows, tf.concat([group_sizes, rest[None]], axis=0), num=num_groups + 1)
    return slices[:-1], rest


def _split_matmul(x, w, group_sizes, transpose):
    slices, rest = _split(x, group_sizes)
    matrices = tf.unstack(w, num=w.shape[0])
    products = [
        tf.matmul(rows, matrix, transpose_b=transpose)
        for rows, matrix in zip(slices, matrices, strict=True)
    ]
    width = w.shape[1] if transpose else w.shape[2]
    y = tf.concat([*products, tf.zeros([rest, width], x.dtype)], axis=0)
    y.set_shape([x.shape[0], width])
    return y


def _split_outer(x, y, group_sizes):
    x_slices, _ = _split(x, group_sizes)
    y_slices, _ = _split(y, group_sizes)
    return tf.stack(
        [tf.matmul(a, b, transpose_a=True) for a, b in zip(x_slices, y_slices, strict=True)]
    )
