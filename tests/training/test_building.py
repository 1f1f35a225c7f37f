import keras
import pytest

import sparse_keras

SMALL = ["data.num_samples=200", "model.experts.num_experts=4"]


def build(*overrides):
    config = sparse_keras.load_config("tabular/sparse_mlp_article", [*SMALL, *overrides])
    return sparse_keras.build_model(config)


def test_compiled_as_the_config_says():
    model = build("optimizer={type: sgd, learning_rate: 0.25, momentum: 0.5}")
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.25
    assert model.optimizer.momentum == 0.5
    assert isinstance(model.loss, keras.losses.BinaryCrossentropy)


def test_uncompiled_without_an_optimizer():
    assert not build("optimizer=null").compiled


def test_precision_is_the_models_alone():
    model = build("training.precision=mixed_bfloat16")
    assert model.layers[1].dtype_policy.name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_config_without_data():
    with pytest.raises(ValueError, match="data"):
        sparse_keras.build_model(sparse_keras.load_config("tabular/sparse_mlp"))
