"""Reported metrics are exact: metrics.json, the history, what early stopping sees, the verb."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import sparse_keras
from sparse_keras.data.batches import ArrayBatches
from sparse_keras.tasks import Binary, Multilabel, MultiTask, Regression
from sparse_keras.tasks.scores import exact_logs
from sparse_keras.training.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("eager_module")

# The rare positives that the thresholds of Keras's AUC do not see.
CONFIG = """
version: 1
data: {type: csv, path: rare.csv, target: y, bins: none, validation_fraction: 0.3}
model:
  type: sparse_mlp
  stem: null
  experts: {type: mlp, num_experts: 2, hidden_dim: 4}
  router: {type: top_k, k: 1}
optimizer: {type: adam, learning_rate: 0.003}
training:
  epochs: 3
  batch_size: 256
  early_stopping: {monitor: val_auc, patience: 2, restore_best: false}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rare")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    y = rng.random(4000) < 1 / (1 + np.exp(5 - 1.5 * x[:, 0]))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y.astype(int)}).to_csv(
        folder / "rare.csv", index=False
    )
    (folder / "rare.yaml").write_text(CONFIG)
    config = sparse_keras.load_config(folder / "rare.yaml")
    data = sparse_keras.load_data(config)
    return sparse_keras.train(config, data, output=folder / "runs", verbose=0), data


def test_a_run_reports_the_exact_auc(finished):
    run, data = finished
    expected = roc_auc_score(data.test.y, run.model.predict(data.test.x, verbose=0))
    assert run.metrics["auc"] == pytest.approx(expected, abs=1e-12)
    written = json.loads((run.path / "metrics.json").read_text())
    assert written["auc"] == run.metrics["auc"]
    assert evaluate(run.model, data.test, data.task) == run.metrics


def test_the_history_and_early_stopping_see_the_exact_auc(finished):
    run, data = finished
    # The model has the weights of the last epoch.
    expected = roc_auc_score(data.validation.y, run.model.predict(data.validation.x, verbose=0))
    assert run.history["val_auc"][-1] == pytest.approx(expected, abs=1e-12)
    history = pd.read_csv(run.path / "history.csv")
    assert history["val_auc"].tolist() == pytest.approx(run.history["val_auc"], abs=1e-12)


def test_the_auc_of_one_class_is_none(finished):
    run, data = finished
    only = ArrayBatches(data.test.x, np.zeros(data.test.num_examples, "float32"))
    metrics = evaluate(run.model, only, data.task)
    assert metrics["auc"] is None and metrics["accuracy"] is not None


def test_tasks_are_exact_where_they_are_named():
    rng = np.random.default_rng(1)
    y = {"one": (rng.random(50) < 0.5), "many": rng.random((50, 2)) < 0.5, "number": rng.random(50)}
    p = {"one": rng.random((50, 1)), "many": rng.random((50, 2)), "number": rng.random((50, 1))}
    tasks = MultiTask("all", (Binary("one"), Multilabel("many", 2), Regression("number")))
    weight = {name: np.arange(50) % 2 for name in y}
    odd = slice(1, None, 2)
    exact = exact_logs(tasks, y, p, weight)
    assert exact.keys() == {"one_auc", "many_auc"}
    assert exact["one_auc"] == pytest.approx(roc_auc_score(y["one"][odd], p["one"][odd, 0]))
    assert exact["many_auc"] == pytest.approx(roc_auc_score(y["many"][odd], p["many"][odd]))


def test_accuracy_counts_one_half_as_decode_does():
    task = Binary("y", ("no", "yes"))
    accuracy = task.metrics()[0]
    accuracy.update_state(np.array([[1.0]]), np.array([[0.5]], "float32"))
    assert float(accuracy.result()) == 1.0
    assert task.decode(np.array([[0.5]])).tolist() == ["yes"]
    below = np.nextafter(np.float32(0.5), np.float32(0))
    accuracy.reset_state()
    accuracy.update_state(np.array([[0.0]]), keras.ops.convert_to_tensor([[below]]))
    assert float(accuracy.result()) == 1.0
