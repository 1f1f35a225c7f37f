import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

import sparse_keras.ops
from tests.support import reference
from tests.support.gradients import gradients, to_numpy
from tests.support.quick import slow_but_for

# Rows in the last column of each case belong to no group.
CASES = {
    "even": ([4, 4, 4], 0),
    "empty groups": ([0, 5, 0, 0, 7, 0], 0),
    "one group holds everything": ([0, 0, 9, 0], 0),
    "rows past the sum": ([3, 0, 2], 6),
    "no row in any group": ([0, 0], 5),
    "one row": ([0, 1, 0], 0),
    "one group": ([8], 0),
    "more groups than rows": ([0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1], 1),
    "groups larger than their room": ([130, 0, 300, 1], 3),
}
TOLERANCE = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}


def draw(sizes, rest, dtype="float32", widths=(6, 5), seed=0):
    """Inputs rounded to `dtype`, so that the reference sees the same numbers."""
    rng = np.random.default_rng([seed, sum(sizes), rest])
    a, b = widths

    def rounded(*shape):
        return to_numpy(ops.cast(rng.normal(size=shape).astype("float32"), dtype))

    rows = sum(sizes) + rest
    return rounded(rows, a), rounded(len(sizes), a, b), rounded(rows, b)


def assert_close(actual, expected, tolerance):
    scale = max(np.abs(expected).max(initial=0.0), 1e-30)
    assert np.abs(actual - expected).max(initial=0.0) <= tolerance * scale


def check(function, sizes, rest, dtype):
    """Values and both gradients of `function(x, w, sizes)` against the loop."""
    x, w, upstream = draw(sizes, rest, dtype)
    sizes = np.array(sizes, "int32")

    def product(x, w):
        return function(ops.cast(x, dtype), ops.cast(w, dtype), ops.convert_to_tensor(sizes))

    def objective(x, w):
        return ops.sum(ops.multiply(ops.cast(product(x, w), "float32"), upstream))

    y = product(ops.convert_to_tensor(x), ops.convert_to_tensor(w))
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert_close(to_numpy(y), reference.grouped_matmul(x, w, sizes), TOLERANCE[dtype])
    dx, dw = gradients(objective, x, w)
    expected_dx, expected_dw = reference.grouped_matmul_gradients(x, w, sizes, upstream)
    assert_close(dx, expected_dx, TOLERANCE[dtype])
    assert_close(dw, expected_dw, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_equals_loop(case, dtype):
    check(sparse_keras.ops.grouped_matmul, *CASES[case], dtype)


@functools.cache
def graph_of_grouped_matmul(dtype, num_groups, jit_compile):
    import tensorflow as tf

    signature = [
        tf.TensorSpec([None, 6], dtype),  # As `fit` traces it: the batch is not known.
        tf.TensorSpec([num_groups, 6, 5], dtype),
        tf.TensorSpec([num_groups], tf.int32),
    ]
    return tf.function(
        sparse_keras.ops.grouped_matmul, input_signature=signature, jit_compile=jit_compile
    )


@pytest.mark.tensorflow
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_equals_loop_in_a_graph(case, dtype):
    sizes, rest = CASES[case]
    check(graph_of_grouped_matmul(dtype, len(sizes), False), sizes, rest, dtype)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("case", "dtype"),
    slow_but_for(
        [("rows past the sum", "float32")],
        zip(CASES, itertools.cycle(TOLERANCE)),
    ),
)
def test_equals_loop_under_xla(case, dtype):
    """Each case in one dtype: XLA compiles for every number of rows anew."""
    sizes, rest = CASES[case]
    check(graph_of_grouped_matmul(dtype, len(sizes), True), sizes, rest, dtype)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("case", "dtype"),
    slow_but_for(
        [("one row", "bfloat16")],
        itertools.product(["more groups than rows", "one row"], ["float32", "bfloat16"]),
    ),
)
def test_fewer_rows_than_groups_under_xla(case, dtype):
    """A decode step: the number of rows is static, and each row is multiplied by itself."""
    import tensorflow as tf

    check(tf.function(sparse_keras.ops.grouped_matmul, jit_compile=True), *CASES[case], dtype)


@pytest.mark.jax
@pytest.mark.parametrize("case", CASES)
def test_equals_loop_under_jit(case):
    import jax

    check(jax.jit(sparse_keras.ops.grouped_matmul), *CASES[case], "float32")


@pytest.mark.tensorflow
def test_second_derivative():
    import tensorflow as tf

    x, w, upstream = (tf.constant(a) for a in draw([3, 0, 2], 2))
    sizes = tf.constant([3, 0, 2])
    with tf.GradientTape() as outer:
        outer.watch(w)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(sparse_keras.ops.grouped_matmul(x, w, sizes) * upstream)
        dx = inner.gradient(y, x)
        value = tf.reduce_sum(dx**2)
    # dx_i = w_g u_i, so d(sum dx^2)/dw_g = sum over its rows of 2 (w_g u_i) u_i^T.
    expected = np.zeros(w.shape)
    for i, g in enumerate([0, 0, 0, 2, 2]):
        expected[g] += 2 * np.outer(w.numpy()[g] @ upstream.numpy()[i], upstream.numpy()[i])
    assert_close(outer.gradient(value, w).numpy(), expected, 1e-6)


def test_symbolic():
    x = keras.Input((6,))
    w = keras.Input((6, 5), batch_size=3)
    sizes = keras.Input((), batch_size=3, dtype="int32")
    y = sparse_keras.ops.grouped_matmul(x, w, sizes)
    assert y.shape == (None, 5)


@pytest.mark.parametrize(
    "shapes, named",
    [
        (((4, 6, 1), (3, 6, 5), (3,)), "group_sizes [E]"),
        (((4, 7), (3, 6, 5), (3,)), "(4, 7)"),
        (((4, 6), (3, 6, 5), (2,)), "size for each"),
    ],
)
def test_wrong_shapes(shapes, named):
    with pytest.raises(ValueError) as error:
        sparse_keras.ops.grouped_matmul(*(np.ones(shape) for shape in shapes))
    assert named in str(error.value)


def test_long_sums_in_half_precision():
    """4096 rows of one group: in bfloat16, a running sum of ones would stop at 256."""
    rows = np.ones((4096, 1), "float32")

    def objective(values):
        sizes = np.array([4096], "int32")
        y = sparse_keras.ops.expand_groups(ops.cast(values, "bfloat16"), sizes, 4096)
        return ops.sum(ops.cast(y, "float32"))

    (found,) = gradients(objective, np.ones((1, 1), "float32"))
    assert found.item() == 4096

    def product(w):
        x = ops.cast(rows, "bfloat16")
        y = sparse_keras.ops.grouped_matmul(x, ops.cast(w, "bfloat16"), np.array([4096], "int32"))
        return ops.sum(ops.cast(y, "float32"))

    (found,) = gradients(product, np.ones((1, 1, 1), "float32"))
    assert abs(found.item() - 4096) <= 4096 * 2**-8
