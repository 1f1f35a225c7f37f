"""Every shipped config with data: builds, trains, saves, and loads to equal predictions."""

import keras
import numpy as np
import pytest

import sparse_keras

CONFIGS = [entry.name for entry in sparse_keras.list_configs() if entry.data]


@pytest.mark.parametrize("name", CONFIGS)
def test_config(name, tmp_path):
    config = sparse_keras.load_config(name)
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    for batch in range(2):
        loss = model.train_on_batch(*data.train[batch])
    assert np.isfinite(loss).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x, _ = data.test[0]
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_article_config_has_the_articles_numbers():
    config = sparse_keras.load_config("tabular/sparse_mlp_article")
    data = sparse_keras.load_data(config)
    assert data.features.numeric_dim == 100
    assert data.features.target.task == "multilabel" and data.features.target.outputs == 64
    assert config.model.experts.num_experts == 16
    assert config.optimizer.type == "adam"
    assert (config.training.batch_size, config.training.epochs) == (32, 20)
    head = sparse_keras.build_model(config, data).get_layer("head")
    assert (head.units, head.activation) == (64, keras.activations.sigmoid)
