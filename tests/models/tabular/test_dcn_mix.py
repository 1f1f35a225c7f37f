"""dcn_mix: its parts, its cost, and that it is an ordinary Keras model."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.models import active_params, dcn_mix, flops_per_example, total_params
from tests.support.tables import with_inputs

pytestmark = pytest.mark.usefixtures("eager_module")

LOW_RANK = {"type": "low_rank", "num_experts": 4, "rank": 3}


def build(**arguments):
    return dcn_mix(
        **with_inputs({"experts": LOW_RANK, "numeric_dim": 6, "hidden_dims": (5, 4)} | arguments)
    )


@pytest.mark.parametrize("structure, deep, head", [("stacked", 6, 4), ("parallel", 6, 4 + 6)])
@pytest.mark.parametrize("router, used", [("dense", 4), ({"type": "top_k", "k": 2}, 2)])
def test_cost(structure, deep, head, router, used):
    model = build(structure=structure, router=router)
    expert = 6 * 3 + 3 * 3 + 3 * 6
    dense = deep * 5 + 5 * 4 + head
    assert flops_per_example(model) == 2 * (2 * (6 * 4 + used * expert) + dense)
    biases = 2 * 6 + 5 + 4 + 1
    assert total_params(model) == 2 * (6 * 4 + 4 * expert) + dense + biases
    assert active_params(model) == 2 * (6 * 4 + used * expert) + dense + biases


def test_every_cross_layer_gets_the_first_input():
    """The layers' own equation, stacked by hand."""
    model = build(hidden_dims=(), cross_layers=3)
    x0 = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    x = x0
    for number in range(3):
        layer = model.get_layer(f"cross_{number}")
        mixed = keras.ops.convert_to_numpy(layer.mixture(x))
        x = x0 * (mixed + keras.ops.convert_to_numpy(layer.bias)) + x
    expected = keras.ops.convert_to_numpy(model.get_layer("head")(x))
    np.testing.assert_allclose(model.predict(x0, verbose=0), expected, rtol=1e-5, atol=1e-6)
    first, second, _ = mixtures(model)
    a, b = (keras.ops.convert_to_numpy(m.experts.core.kernel) for m in (first, second))
    assert not np.array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("structure", ["stacked", pytest.param("parallel", marks=pytest.mark.slow)])
def test_it_trains_saves_and_exports(structure, tmp_path):
    model = build(structure=structure, cardinalities=(4,), dropout=0.1, router="top_k")
    rng = np.random.default_rng(0)
    numeric = rng.normal(size=(64, 6)).astype("float32")
    x = {"numeric": numeric, "categorical": rng.integers(0, 4, (64, 1)).astype("int32")}
    y = (numeric[:, :1] * numeric[:, 1:2] > 0).astype("float32")
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    history = model.fit(x, y, epochs=4, batch_size=20, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        model.export(tmp_path / "exported", verbose=False)
        served = tf.saved_model.load(tmp_path / "exported")
        np.testing.assert_allclose(served.serve(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"structure": "serial"}, "structure='serial'"),
        ({"experts": {"type": "dense", "num_experts": 4, "units": 9}}, "output width 9"),
        ({"numeric_dim": 0}, "needs columns"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)


@pytest.mark.parametrize(
    "override, message",
    [
        ("model.router={type: top_k, k: 5}", "more than model.experts.num_experts"),
        ("model={hidden_dims: [], dropout: 0.0}", "has no effect: hidden_dims is empty"),
    ],
)
def test_rules_of_its_config(override, message):
    with pytest.raises(ValueError, match=message):
        sparse_keras.load_config("tabular/dcn_mix_adult", [override])
