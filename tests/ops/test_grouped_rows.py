"""Each backend's form of grouped rows, on the paths that `test_grouped_matmul` does not take."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.ops import group_rows, grouped_matmul
from tests.ops.test_grouped_matmul import CASES, assert_close, check
from tests.support import reference
from tests.support.gradients import gradients, to_numpy
from tests.support.quick import slow_but_for

SIZES = {name: np.array(sizes, "int32") for name, (sizes, _) in CASES.items()}


def draw(sizes, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(sizes.sum(), shapes[0]))] + [rng.normal(size=s) for s in shapes[1:]]


@pytest.mark.parametrize("case", SIZES)
def test_two_layers_equal_the_loop(case):
    """matmul, add, map, matmul, map_whole, join: rows stay grouped in between."""
    sizes = SIZES[case]
    num_groups = len(sizes)
    x, up, bias, down, upstream = (
        a.astype("float32")
        for a in draw(sizes, 4, (num_groups, 4, 8), (num_groups, 8), (num_groups, 8, 4), (1, 4))
    )
    upstream = np.broadcast_to(upstream, x.shape)

    def network(x, up, bias, down):
        hidden = group_rows(x, sizes).matmul(up).add(bias).map(ops.tanh)
        hidden = hidden.map(ops.multiply, hidden)
        return hidden.matmul(down).map_whole(lambda rows: 2 * rows).join()

    def objective(*tensors):
        return ops.sum(ops.multiply(network(*tensors), upstream))

    group = np.repeat(np.arange(num_groups), sizes)
    hidden = np.tanh(reference.grouped_matmul(x, up, sizes) + bias[group])
    expected = 2 * reference.grouped_matmul(hidden**2, down, sizes)
    tensors = [ops.convert_to_tensor(a) for a in (x, up, bias, down)]
    assert_close(to_numpy(network(*tensors)), expected, 1e-5)

    d_square, d_down = reference.grouped_matmul_gradients(hidden**2, down, sizes, 2 * upstream)
    d_sum = d_square * 2 * hidden * (1 - hidden**2)
    d_bias = np.zeros(bias.shape)
    np.add.at(d_bias, group, d_sum)
    d_x, d_up = reference.grouped_matmul_gradients(x, up, sizes, d_sum)
    for found, wanted in zip(
        gradients(objective, x, up, bias, down), (d_x, d_up, d_bias, d_down), strict=True
    ):
        assert_close(found, wanted, 1e-5)


def test_only_matrices_in_use_are_read():
    """Two rows and 64 groups: what the other 62 matrices hold does not matter."""
    sizes = np.zeros(64, "int32")
    sizes[[5, 40]] = 1
    w = np.full((64, 8, 8), np.nan, "float32")
    w[[5, 40]] = np.random.default_rng(0).normal(size=(2, 8, 8))
    x = np.ones((2, 8), "float32")
    y = to_numpy(grouped_matmul(x, w, sizes))
    assert_close(y, np.stack([w[5].sum(0), w[40].sum(0)]), 1e-6)


@pytest.mark.parametrize("num_groups", [1, 4])
def test_long_sums_of_biases_in_half_precision(num_groups):
    """4096 rows of one group: in bfloat16, a running sum of ones would stop at 256."""
    rows = ops.zeros((4096, 1), "bfloat16")
    sizes = np.array([4096, 0, 0, 0][:num_groups], "int32")

    def objective(bias):
        y = group_rows(rows, sizes).add(ops.cast(bias, "bfloat16")).join()
        return ops.sum(ops.cast(y, "float32"))

    (found,) = gradients(objective, np.ones((num_groups, 1), "float32"))
    np.testing.assert_array_equal(found[:, 0], sizes)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("case", "batch"),
    slow_but_for(
        [("groups larger than their room", "any")],
        zip(SIZES, itertools.cycle(["any", "static"])),
    ),
)
def test_two_layers_under_xla(case, batch):
    import tensorflow as tf

    sizes = SIZES[case]
    rows = None if batch == "any" else sizes.sum()
    x, up, bias, upstream = (
        a.astype("float32")
        for a in draw(sizes, 4, (len(sizes), 4, 8), (len(sizes), 8), (sizes.sum(), 8))
    )

    def step(x, upstream, sizes):
        with tf.GradientTape() as tape:
            w, b = tf.constant(up), tf.constant(bias)
            tape.watch([x, w, b])
            hidden = group_rows(x, sizes).matmul(w).add(b).map_whole(tf.tanh)
            y = hidden.map(tf.multiply, hidden).join()
        return y, *tape.gradient(y, [x, w, b], upstream)

    signature = [
        tf.TensorSpec([rows, 4]),
        tf.TensorSpec([rows, 8]),
        tf.TensorSpec([len(sizes)], tf.int32),
    ]
    compiled = tf.function(step, input_signature=signature, jit_compile=True)
    found = compiled(x, upstream, sizes)
    # Outside XLA, which the test above holds against the loop.
    for a, b in zip(found, step(tf.constant(x), upstream, sizes), strict=True):
        assert_close(a.numpy(), b.numpy(), 1e-5)


@pytest.mark.parametrize(
    "mistake", ["vectors", "groups of vectors", "rank of rows", "rank of sizes"]
)
def test_wrong_shapes(mistake):
    rows, sizes = np.ones((3, 2), "float32"), np.array([1, 2], "int32")
    with pytest.raises(ValueError, match="Received"):
        if mistake == "vectors":
            group_rows(rows, sizes).add(np.ones((2, 1), "float32"))
        elif mistake == "groups":
            group_rows(rows, sizes).add(np.ones((1, 2), "float32"))
        elif mistake == "rank of rows":
            group_rows(rows[None], sizes)
        else:
            group_rows(rows, sizes[None])


@pytest.mark.tensorflow
def test_large_matrices():
    """From 2**18 elements on, the gradient of the rows is another operation."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(9, 512)), rng.normal(size=(3, 512, 512))
    sizes = np.array([4, 0, 5], "int32")
    upstream = rng.normal(size=(9, 512))

    @tf.function
    def step(x, w):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = grouped_matmul(x, w, sizes)
        return y, *tape.gradient(y, [x, w], tf.constant(upstream, "float32"))

    y, dx, dw = step(tf.constant(x, "float32"), tf.constant(w, "float32"))
    assert_close(y.numpy(), reference.grouped_matmul(x, w, sizes), 1e-5)
    expected = reference.grouped_matmul_gradients(x, w, sizes, upstream)
    assert_close(dx.numpy(), expected[0], 1e-5)
    assert_close(dw.numpy(), expected[1], 1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("rows", [None, 6], ids=["any batch", "fewer rows than groups"])
def test_graph_holds_no_copy_of_the_bank(rows):
    """In a gradient step nothing is as large as the bank, but the bank and its gradient."""
    import tensorflow as tf

    num_groups, width, units = 16, 6, 5
    bank = tf.Variable(tf.ones([num_groups, width, units]))

    @tf.function(
        input_signature=[
            tf.TensorSpec([rows, width]),
            tf.TensorSpec([num_groups], tf.int32),
        ]
    )
    def step(x, sizes):
        with tf.GradientTape() as tape:
            y = grouped_matmul(x, bank.value(), sizes)
            loss = tf.reduce_sum(y**2)
        return tape.gradient(loss, bank)

    large = [
        output.op.type
        for operation in step.get_concrete_function().graph.get_operations()
        for output in operation.outputs
        if output.consumers()
        and output.shape.rank is not None
        and (output.shape.num_elements() or 0) >= num_groups * width * units
    ]
    # `Identity` and `IdentityN` share their input's buffer.
    gradient = "Pack" if rows is None else "ScatterNd"
    copies = [kind for kind in large if kind not in ("Identity", "IdentityN", "ReadVariableOp")]
    assert copies == [gradient]


@pytest.mark.jax
def test_second_derivative_on_jax():
    import jax

    sizes = np.array([70, 0, 2], "int32")  # More rows than the first group has room for.
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=s).astype("float32") for s in ((72, 3), (3, 3, 2)))

    def loss(x, w):
        return (grouped_matmul(x, w, sizes) ** 2).sum()

    found = jax.grad(lambda w: (jax.grad(loss)(x, w) ** 2).sum())(w)
    group = np.repeat(np.arange(3), sizes)
    plain = jax.grad(
        lambda w: (
            jax.grad(lambda x, w: (jax.numpy.einsum("na,nab->nb", x, w[group]) ** 2).sum())(x, w)
            ** 2
        ).sum()
    )(w)
    assert_close(np.asarray(found), np.asarray(plain), 1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([70, 0, 2], id="more than a group has room for", marks=pytest.mark.slow),
        pytest.param([0, 1, 1, 0], id="few rows"),
    ],
)
def test_second_derivative_under_xla(sizes):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    shapes = (sum(sizes), 3), (len(sizes), 3, 2)
    x, w = (tf.constant(rng.normal(size=shape), "float32") for shape in shapes)
    sizes = tf.constant(sizes)

    def second(x, w):
        with tf.GradientTape() as outer:
            outer.watch(w)
            with tf.GradientTape() as inner:
                inner.watch(w)
                loss = tf.reduce_sum(grouped_matmul(x, w, sizes) ** 2)
            squared = tf.reduce_sum(inner.gradient(loss, w) ** 2)
        return outer.gradient(squared, w)

    compiled = tf.function(second, jit_compile=True)(x, w)
    assert_close(compiled.numpy(), second(x, w).numpy(), 1e-5)


@pytest.mark.jax
def test_64_bits_on_jax():
    import jax

    sizes = np.array([70, 0, 2], "int32")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(72, 3)), rng.normal(size=(3, 3, 2))
    jax.config.update("jax_enable_x64", True)
    try:
        for function in (grouped_matmul, jax.jit(grouped_matmul)):
            found = np.asarray(function(jax.numpy.asarray(x), jax.numpy.asarray(w), sizes))
            assert found.dtype == "float64"
            assert_close(found, reference.grouped_matmul(x, w, sizes), 1e-12)
    finally:
        jax.config.update("jax_enable_x64", False)


def test_what_is_no_number_stays_in_its_group():
    """Forwards and backwards, also where a window reaches beyond its group."""
    sizes = np.array([50, 150, 0, 0, 0, 0, 0, 0], "int32")
    x, w = np.ones((200, 4), "float32"), np.ones((8, 4, 3), "float32")
    upstream = np.ones((200, 3), "float32")
    upstream[95] = np.nan
    d_x, d_w = gradients(
        lambda x, w: ops.sum(ops.multiply(grouped_matmul(x, w, sizes), upstream)), x, w
    )
    assert np.flatnonzero(np.isnan(d_x).any(axis=1)).tolist() == [95]
    assert np.flatnonzero(np.isnan(d_w).any(axis=(1, 2))).tolist() == [1]


def test_sizes_as_a_list():
    x, w = np.ones((3, 2), "float32"), np.ones((2, 2, 1), "float32")
    np.testing.assert_array_equal(to_numpy(grouped_matmul(x, w, [1, 2])), np.full((3, 1), 2.0))


@pytest.mark.torch
@pytest.mark.parametrize("grouped_mm", [True, False], ids=["grouped_mm", "loop"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_both_ways_on_torch(case, dtype, grouped_mm, monkeypatch):
    import tests.ops.test_grouped_matmul as cases
    from sparse_keras.ops import torch_backend

    original_draw = cases.draw
    # Widths of whole 16 bytes, which `grouped_mm` asks for.
    monkeypatch.setattr(cases, "draw", lambda *a: original_draw(*a, widths=(8, 16)))
    if not grouped_mm:
        monkeypatch.setattr(torch_backend, "_takes_grouped_mm", lambda rows, w: False)
    check(grouped_matmul, *CASES[case], dtype)


@pytest.mark.torch
def test_grouped_mm_is_taken_where_it_can():
    import torch

    from sparse_keras.ops import torch_backend

    def takes(rows, w):
        return torch_backend._takes_grouped_mm(rows, w)

    assert takes(torch.ones(3, 8), torch.ones(2, 8, 16))
    assert not takes(torch.ones(3, 6), torch.ones(2, 6, 16))  # 24 bytes
    assert not takes(torch.ones(3, 8), torch.ones(2, 8, 5))
    assert not takes(torch.ones(0, 8), torch.ones(2, 8, 16))


@pytest.mark.torch
def test_inference_first_on_torch():
    """What is found out in inference mode must hold for training, too."""
    import torch

    from sparse_keras.ops import torch_backend

    torch_backend._has_grouped_mm.cache_clear()
    with torch.inference_mode():
        assert torch_backend._has_grouped_mm(torch.device("cpu"), torch.float32)


@pytest.mark.torch
@pytest.mark.parametrize("width", [8, 6])
def test_autocast_and_strided_gradients_on_torch(width):
    import torch

    x = torch.randn(5, width, requires_grad=True)
    w = torch.randn(2, width, 2 * width, requires_grad=True)
    sizes = torch.tensor([2, 3], dtype=torch.int32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = grouped_matmul(x, w, sizes)
    assert y.dtype == torch.bfloat16
    y.sum().backward()  # The gradient of a sum has strides of zero.
    assert x.grad.dtype == w.grad.dtype == torch.float32
    ones = np.ones((5, 2 * width))
    expected = reference.grouped_matmul_gradients(
        x.detach().numpy(), w.detach().numpy(), sizes.numpy(), ones
    )
    assert_close(x.grad.numpy(), expected[0], 2e-2)
    assert_close(w.grad.numpy(), expected[1], 2e-2)


def test_keras_backend_has_a_form():
    rows = group_rows(ops.ones((3, 2)), np.array([1, 2], "int32"))
    form = {"tensorflow": "SlicedRows", "jax": "PaddedRows", "torch": "SortedRows"}
    assert type(rows).__name__ == form[keras.backend.backend()]
    assert (rows.num_groups, rows.width) == (2, 2)
