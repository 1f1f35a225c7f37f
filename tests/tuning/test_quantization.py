"""Quantized models: what they lose, and that they can be saved."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import GLUExperts, MixtureOfExperts
from sparse_keras.models import causal_lm

IDS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], "int32")


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
@pytest.mark.parametrize("mode", ["int8", pytest.param("int4", marks=pytest.mark.slow)])
def test_a_language_model_is_loaded_as_it_was(mode, tmp_path):
    """Dense and embedding layers inside our layers are quantized, too, and not in any config."""
    model = causal_lm(
        vocabulary_size=11,
        depth=2,
        width=8,
        num_heads=2,
        hidden_dim=6,
        dense_layers=1,
        experts={"type": "glu", "num_experts": 4, "hidden_dim": 6},
        shared_expert={"hidden_dim": 4, "gated": True},
    )
    model.quantize(mode)
    assert model.blocks[1].feed_forward.experts.up.quantization_mode == mode
    expected = model(IDS)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(IDS), expected, atol=1e-5)
    assert [(v.shape, v.dtype) for v in loaded.weights] == [
        (v.shape, v.dtype) for v in model.weights
    ]


def test_the_loss_of_a_trained_model(eager_functions):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(512, 16)).astype("float32")
    y = np.sin(x @ draw.normal(size=(16, 1)))
    mixture = MixtureOfExperts(GLUExperts(4, hidden_dim=32), k=2)
    model = keras.Sequential([keras.Input((16,)), mixture, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    first = np.mean((model(x) - y) ** 2)
    model.fit(x, y, batch_size=256, epochs=10, verbose=0)
    trained = np.mean((model(x) - y) ** 2)
    assert trained < 0.8 * first
    mixture.experts.quantize("int8")
    assert np.mean((model(x) - y) ** 2) == pytest.approx(trained, rel=0.01)
