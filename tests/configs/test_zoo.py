"""Every shipped config: builds, trains, saves, and loads to equal predictions."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.data.download.fetch import FetchError
from sparse_keras.data.sources import source_of


def configs():
    """All of them; in the quick run one of each model, and none whose data are to be fetched."""
    seen = set()
    for entry in sorted(sparse_keras.list_configs(), key=lambda entry: entry.data or ""):
        is_fetched = entry.data is not None and source_of(entry.data).kind == "fetched"
        quick = not is_fetched and entry.model not in seen
        seen |= {entry.model} if quick else set()
        yield pytest.param(entry.name, marks=[] if quick else [pytest.mark.slow])


def with_data(name, folder):
    """The config; a base without data gets a table of its user's."""
    config = sparse_keras.load_config(name)
    if config.data is not None:
        return config
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.3f},{rng.choice(list('abc'))},{rng.integers(2)}" for _ in range(200)]
    (folder / "own.csv").write_text("\n".join(["x,kind,y", *rows]) + "\n")
    data = f"{{type: csv, path: {folder / 'own.csv'}, target: y}}"
    (folder / "own.yaml").write_text(f"version: 1\nextends: {name}\ndata: {data}\n")
    return sparse_keras.load_config(folder / "own.yaml")


@pytest.mark.parametrize("name", [*configs()])
def test_config(name, tmp_path):
    config = with_data(name, tmp_path)
    try:
        data = sparse_keras.load_data(config)
    except FetchError as error:
        pytest.skip(str(error))
    model = sparse_keras.build_model(config, data)
    model.run_eagerly = True  # Tracing would take most of the time.
    for batch in range(2):
        loss = model.train_on_batch(*data.train[batch % len(data.train)])
    assert np.isfinite(loss).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    x = data.test[0][0]
    pairs = [keras.tree.flatten(one.predict(x, verbose=0)) for one in (loaded, model)]
    for found, expected in zip(*pairs, strict=True):
        np.testing.assert_array_equal(found, expected)


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
