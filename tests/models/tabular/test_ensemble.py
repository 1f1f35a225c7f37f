"""`ensemble` in sparse_mlp and dense_mlp."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.data import TableInputs
from sparse_keras.models import dense_mlp, flops_per_example, sparse_mlp
from sparse_keras.tasks import Regression
from tests.support.tables import task_of

pytestmark = pytest.mark.usefixtures("eager_module")

MLP = {"type": "mlp", "num_experts": 6, "hidden_dim": 5}


def sparse(**arguments):
    return sparse_mlp(
        inputs=TableInputs(7), **{"experts": MLP, "stem": 8, "ensemble": 3} | arguments
    )


@pytest.mark.parametrize(
    "task, outputs", [("binary", 1), ("multiclass", 3), ("multilabel", 3), ("regression", 1)]
)
def test_it_predicts_like_one_network_and_costs_three(task, outputs):
    task = Regression(mean=100.0, std=5.0) if task == "regression" else task_of(task, outputs)
    model = sparse(task=task)
    assert model.output_shape == (None, outputs)
    assert flops_per_example(model) == 3 * flops_per_example(sparse(task=task, ensemble=None))
    one = dense_mlp(inputs=TableInputs(7), hidden_dim=5, stem=8)
    three = dense_mlp(inputs=TableInputs(7), hidden_dim=5, stem=8, ensemble=3)
    assert flops_per_example(three) == 3 * flops_per_example(one)
    # Own: scalings of 7 inputs, scalings and biases of 8 units, heads. One network has a bias.
    assert three.count_params() - one.count_params() == 3 * (7 + 8 + 8 + 9) - 8 - 9


@pytest.mark.slow
def test_it_saves_trains_and_exports(tmp_path):
    model = sparse(depth=2, dropout=0.1)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 7)).astype("float32"), rng.integers(0, 2, (64, 1))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=3, batch_size=20, verbose=0).history
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


def test_without_a_stem_it_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="ensemble=3, stem=None"):
        sparse(stem=None)
    with pytest.raises(ValueError, match="needs a stem"):
        sparse_keras.load_config("tabular/sparse_mlp", ["model.ensemble=3", "model.stem=null"])
    with pytest.raises(ValueError, match="focal cannot train the models"):
        sparse_keras.load_config(
            "tabular/sparse_mlp", ["model.ensemble=3", "training.loss={type: focal}"]
        )


def test_weights_of_rows_are_refused(tmp_path):
    """The gap between the members' losses and that of their mean would not know them."""
    text = "extends: tabular/sparse_mlp\ndata: {type: csv, path: a.csv, target: y, weight: w}\n"
    (tmp_path / "own.yaml").write_text(text)
    sparse_keras.load_config(tmp_path / "own.yaml")
    with pytest.raises(ValueError, match="row weights are not supported"):
        sparse_keras.load_config(tmp_path / "own.yaml", ["model.ensemble=3"])


def test_its_dense_twin_is_an_ensemble():
    data = "data={type: generated_multilabel, num_samples: 100, num_features: 20, num_labels: 5}"
    config = sparse_keras.load_config("tabular/sparse_mlp", [data, "model.ensemble=4"])
    assert sparse_keras.dense_twin(config).model.ensemble == 4
