"""SparseProjection: values and gradients of the dense computation; models on SciPy matrices."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import scipy.sparse

from sparse_keras.data import TableInputs
from sparse_keras.layers import MixtureOfExperts, SparseProjection
from sparse_keras.models import dense_mlp, flops_per_example, sparse_mlp
from sparse_keras.ops.csr import to_tensor
from sparse_keras.tasks import Multiclass
from tests.support.quick import slow_but_for
from tests.support.tables import with_inputs

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras has no sparse tensors on PyTorch"
)
EXPERTS = {"type": "mlp", "num_experts": 4, "hidden_dim": 8}


def random_csr(rows, columns, density=0.1, seed=0):
    """Random rows, a third of them empty, and an entry that is there but 0."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < density)
    dense[::3] = 0.0
    csr = scipy.sparse.csr_matrix(dense.astype("float32"))
    if csr.nnz:
        csr.data[0] = 0.0
    return csr


@pytest.mark.parametrize(
    ("shape", "use_bias"), [((20, 50), True), ((1, 50), True), ((20, 1), False), ((4, 3), False)]
)
def test_values_are_those_of_the_dense_computation(shape, use_bias):
    csr = random_csr(*shape, density=0.4, seed=shape[0])
    layer = SparseProjection(6, activation="tanh", use_bias=use_bias)
    got = keras.ops.convert_to_numpy(layer(to_tensor(csr)))
    x = csr.toarray() @ keras.ops.convert_to_numpy(layer.kernel)
    if use_bias:
        x = x + keras.ops.convert_to_numpy(layer.bias)
    np.testing.assert_allclose(got, np.tanh(x), rtol=1e-5, atol=1e-6)


def weights_after_training(x, y, learning_rate=0.5, epochs=3):
    keras.utils.set_random_seed(0)
    sparse = scipy.sparse.issparse(x)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:], sparse=sparse),
            SparseProjection(5, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    losses = model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history["loss"]
    return model, losses, model.get_weights()


@pytest.mark.parametrize(
    "shape",
    [(20, 30), *(pytest.param(shape, marks=pytest.mark.slow) for shape in [(1, 30), (20, 1)])],
    ids=str,
)
def test_gradients_are_those_of_the_dense_computation(shape):
    """Plain gradient descent adds up gradients, those of the kernel included."""
    csr = random_csr(*shape, density=0.3, seed=3)
    y = np.random.default_rng(1).normal(size=(shape[0], 1)).astype("float32")
    sparse_model, sparse_losses, sparse_weights = weights_after_training(csr, y)
    dense_model, dense_losses, dense_weights = weights_after_training(csr.toarray(), y)
    np.testing.assert_allclose(sparse_losses, dense_losses, rtol=1e-4)
    for one, other in zip(sparse_weights, dense_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        sparse_model.predict(csr, verbose=0),
        dense_model.predict(csr.toarray(), verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        sparse_model.evaluate(csr, y, verbose=0),
        dense_model.evaluate(csr.toarray(), y, verbose=0),
        rtol=1e-4,
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    csr = random_csr(12, 30, density=0.3)
    layer = SparseProjection(4, dtype=policy)
    model = keras.Sequential([keras.Input((30,), sparse=True), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(csr, np.ones((12, 1)), verbose=0).history["loss"]).all()
    expected = csr.toarray() @ keras.ops.convert_to_numpy(layer.kernel)
    got = keras.ops.convert_to_numpy(keras.ops.cast(layer(to_tensor(csr)), "float32"))
    assert layer.compute_dtype in policy
    np.testing.assert_allclose(got, expected + keras.ops.convert_to_numpy(layer.bias), atol=0.05)


def test_round_trip_and_saving(tmp_path):
    csr = random_csr(12, 30)
    model = sparse_mlp(
        inputs=TableInputs(sparse_dim=30), task=Multiclass("y", 3), experts=EXPERTS, stem=None
    )
    expected = model.predict(csr, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(csr, verbose=0), expected)
    layer = loaded.get_layer("sparse_projection")
    again = SparseProjection.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.tensorflow
def test_keras_does_not_compile_a_step_of_sparse_tensors():
    model = dense_mlp(inputs=TableInputs(sparse_dim=30), hidden_dim=4, stem=None)
    with pytest.warns(UserWarning, match="support `jit_compile"):
        model.compile("sgd", "mse", jit_compile=True)
    assert model.jit_compile is False
    model.fit(random_csr(6, 30), np.ones((6, 1)), verbose=0)
    dense = keras.Sequential([keras.Input((30,)), SparseProjection(1)])
    dense.compile("sgd", "mse", jit_compile=True)
    assert dense.jit_compile is True


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.parametrize("builder", slow_but_for([sparse_mlp], [sparse_mlp, dense_mlp]))
def test_the_builders_take_matrices(builder):
    csr = random_csr(40, 100)
    options = {"experts": EXPERTS} if builder is sparse_mlp else {"hidden_dim": 8}
    model = builder(
        **options,
        inputs=TableInputs(sparse_dim=100),
        sparse_projection={"units": 16, "dropout": 0.2, "layer_norm": True, "activation": "tanh"},
        stem=None,
    )
    model.compile("adam", "binary_crossentropy")
    y = np.arange(40) % 2
    history = model.fit(csr, y, epochs=2, verbose=0, validation_split=0.0).history
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(model.evaluate(csr, y, verbose=0))
    assert model.predict(csr[3:4], verbose=0).shape == (1, 1)
    names = [layer.name for layer in model.layers]
    assert "sparse_projection_norm" in names and "sparse_projection_dropout" in names
    assert model.get_layer("sparse_projection").activation is keras.activations.tanh


def test_sparse_and_dense_columns_together():
    inputs = TableInputs(numeric_dim=3, cardinalities=[5], sparse_dim=50)
    model = dense_mlp(inputs=inputs, hidden_dim=4, stem=8)
    batch = {
        "numeric": keras.ops.ones((6, 3)),
        "categorical": keras.ops.ones((6, 1), "int32"),
        "sparse": to_tensor(random_csr(6, 50)),
    }
    assert model(batch).shape == (6, 1)


def test_what_a_projection_costs():
    model = sparse_mlp(inputs=TableInputs(sparse_dim=1000), experts=EXPERTS, stem=None)
    other = sparse_mlp(inputs=TableInputs(sparse_dim=10), experts=EXPERTS, stem=None)
    assert flops_per_example(model) == flops_per_example(other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numeric_dim": 3, "sparse_projection": {"units": 4}}, "has no effect"),
        ({"sparse_dim": 3, "feature_gate": {}}, "`feature_gate`"),
        ({}, "needs columns"),
    ],
)
def test_what_does_not_fit_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        dense_mlp(hidden_dim=4, **with_inputs(options))


@pytest.mark.parametrize("form", ["tensor", "scipy", "symbolic"])
def test_experts_refuse_sparse_rows(form):
    csr = random_csr(6, 50)
    x = {"tensor": to_tensor(csr), "scipy": csr}.get(form)
    x = keras.Input((50,), sparse=True) if x is None else x
    with pytest.raises(ValueError, match="dense inputs.*SparseProjection"):
        MixtureOfExperts(keras.layers.Dense(4), num_experts=2)(x)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_matrix_whose_dense_form_is_beyond_memory():
    """60,000 x 50,000: 12 GB as float32. In a process of its own, whose whole memory is counted."""
    program = """
import numpy as np, scipy.sparse
from sparse_keras.data import TableInputs
from sparse_keras.models import dense_mlp
rng = np.random.default_rng(0)
rows, columns, each = 60_000, 50_000, 20
at = rng.integers(0, columns, rows * each, "int32")
x = scipy.sparse.csr_matrix((np.ones(len(at), "float32"), at, np.arange(0, len(at) + 1, each)))
x.resize(rows, columns)
y = rng.integers(0, 2, rows)
inputs = TableInputs(sparse_dim=columns)
model = dense_mlp(inputs=inputs, hidden_dim=4, sparse_projection={"units": 4}, stem=None)
model.compile("sgd", "binary_crossentropy")
assert np.isfinite(model.fit(x, y, batch_size=1024, verbose=0).history["loss"]).all()
assert np.isfinite(model.evaluate(x, y, batch_size=1024, verbose=0))
assert model.predict(x, batch_size=1024, verbose=0).shape == (rows, 1)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    # (`ru_maxrss` would count what the process that started it held then.)
    assert int(told.split()[-2]) < 2e6  # kB


def test_quantizing_leaves_it_out():
    model = keras.Sequential([keras.Input((30,), sparse=True), SparseProjection(4)])
    with pytest.warns(UserWarning, match="cannot be quantized"):
        model.quantize("int8")
    assert model.predict(random_csr(3, 30), verbose=0).shape == (3, 4)
