"""Several targets, from a config to predictions: train, resume, load, export, the command line."""

import json
import math

import keras
import numpy as np
import pandas as pd
import pytest

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.models import MultiTaskModel, UncertaintyWeights
from sparse_keras.tasks import Binary, Multiclass, Regression
from sparse_keras.training.building import build_network
from sparse_keras.training.train import Interrupted
from tests.training.runs.test_resuming import BreakAt

pytestmark = pytest.mark.usefixtures("eager_module")

CONFIG = """
version: 1
data:
  type: csv
  path: people.csv
  target: {rich: binary, age: regression, job: multiclass}
  weight: w
model: {type: mmoe, experts: {type: dense, num_experts: 3, units: 8}}
optimizer: {type: adamw, learning_rate: 1e-2, weight_decay: 0.1}
training: {epochs: 2, batch_size: 64}
"""
UNCERTAINTY = "training.task_weights={type: uncertainty}"
GRADNORM = "training.task_weights={type: gradnorm}"
LOSSES = ("loss", "rich_loss", "age_loss", "job_loss")
LOGGED = {
    *LOSSES,
    *("rich_accuracy", "rich_auc", "age_rmse"),
    *("age_mae", "job_accuracy", "job_macro_f1", "job_balanced_accuracy"),
}
METRICS = {
    *LOSSES,
    *(f"rich_{name}" for name in Binary.METRICS),
    *(f"age_{name}" for name in Regression.METRICS),
    *(f"job_{name}" for name in Multiclass.METRICS),
}


ROUTERS = {"load_violation", "dropped", "aux_loss", "task_loss"}


def people(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame(
        {
            "x": x,
            "city": rng.choice(["north", "south"], rows),
            "w": rng.integers(0, 4, rows),
            "rich": np.where(rng.random(rows) < 0.3, None, np.where(x > 0.3, "yes", "no")),
            "age": np.where(rng.random(rows) < 0.3, np.nan, 40 + 10 * x + rng.normal(size=rows)),
            "job": rng.choice(["cook", "smith", "clerk"], rows),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    people(400, seed=0).to_csv(folder / "people.csv", index=False)
    (folder / "people.yaml").write_text(CONFIG)
    return folder


def load(folder, *overrides):
    return sparse_keras.load_config(folder / "people.yaml", overrides)


@pytest.fixture(scope="module")
def run(folder):
    config = load(folder, UNCERTAINTY, "training.early_stopping={monitor: val_rich_auc}")
    return sparse_keras.train(config, output=folder / "runs", verbose=0)


def test_metrics_of_each_task_are_in_the_logs_and_the_folder(run):
    assert set(run.metrics) == METRICS
    weights = {f"{task}_weight" for task in ("rich", "age", "job")}
    validation = {f"val_{name}" for name in LOGGED}
    assert set(run.history) == LOGGED | validation | weights | ROUTERS
    assert set(json.loads((run.path / "metrics.json").read_text())) == {*METRICS, "fit_seconds"}
    layer = run.model.task_weights_layer
    for task, weight in layer.task_weights().items():  # Those of the best epoch.
        logged = run.history[f"{task}_weight"]
        assert np.abs(np.array(logged) - float(weight)).min() < 1e-6
        assert float(weight) != pytest.approx(0.5 if task == "age" else 1)


def test_metrics_count_the_rows_by_their_weights(run, folder):
    """Those of a table in which each row stands as often as its weight says, all weights 1."""
    test = sparse_keras.load_data(run.config).frames["test"]
    many = test.loc[test.index.repeat(test["w"])].reset_index(drop=True).assign(w=1)
    features = run.model.preprocessor.features
    batches = sparse_keras.data.ArrayBatches(
        features.encode(many), features.encode_target(many), features.sample_weight(many)
    )
    found = run.model.evaluate(batches, return_dict=True, verbose=0)
    for name in LOGGED - {"loss", "rich_auc"}:  # An AUC by thresholds is near, too.
        assert found[name] == pytest.approx(run.metrics[name], rel=1e-4), name
    there = many["rich"].notna()
    predicted = run.model.predict_target(many, verbose=0)["rich"]
    assert found["rich_accuracy"] == pytest.approx((predicted == many["rich"])[there].mean())


def test_a_raw_table_is_evaluated_as_encoded_rows(run):
    """Labels that are missing, and the weights of the rows, count as in training."""
    data = sparse_keras.load_data(run.config)
    expected = run.model.evaluate(data.test, return_dict=True, verbose=0)
    table = data.frames["test"]
    for arguments in ((table,), (table, table[["rich", "age", "job"]])):
        size = data.test.batch_size
        found = run.model.evaluate(*arguments, batch_size=size, return_dict=True, verbose=0)
        assert found == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="Expected `y` as a table with the columns 'rich', 'age'"):
        run.model.evaluate(table, table["rich"])


def test_predicts_each_target(run, folder):
    new = people(5, seed=1).drop(columns=["w", "rich", "age", "job"])
    predictions = run.model.predict(new, verbose=0)
    assert {name: array.shape for name, array in predictions.items()} == {
        "rich": (5, 1),
        "age": (5, 1),
        "job": (5, 3),
    }
    frame = run.model.predict_frame(new, verbose=0)
    assert list(frame) == [
        *("rich", "rich_probability_yes", "age", "job"),
        *("job_probability_clerk", "job_probability_cook", "job_probability_smith"),
    ]
    np.testing.assert_array_equal(frame["age"], predictions["age"][:, 0])
    np.testing.assert_array_equal(frame["rich_probability_yes"], predictions["rich"][:, 0])
    assert set(run.model.predict_target(new, verbose=0)) == {"rich", "age", "job"}
    none = run.model.predict(new.iloc[:0], verbose=0)
    assert {name: array.shape for name, array in none.items()} == {
        "rich": (0, 1),
        "age": (0, 1),
        "job": (0, 3),
    }
    loaded = sparse_keras.load_model(run.path)
    assert (
        isinstance(loaded.core, MultiTaskModel)
        and loaded.preprocessor.features == run.model.preprocessor.features
    )
    pd.testing.assert_frame_equal(loaded.predict_frame(new, verbose=0), frame)
    metrics = loaded.evaluate(sparse_keras.load_data(run.config).test, return_dict=True, verbose=0)
    assert metrics == pytest.approx({name: run.metrics[name] for name in metrics}, rel=1e-4)


@pytest.mark.tensorflow
def test_export_serves_each_target(run, tmp_path):
    import tensorflow as tf

    from sparse_keras.cli.tabular import largest_difference

    run.model.export(tmp_path / "exported")
    new = people(7, seed=2)
    assert largest_difference(run.model, tmp_path / "exported", new) < 1e-5
    loaded = tf.saved_model.load(tmp_path / "exported")
    served = loaded.serve({"x": tf.constant(new["x"]), "city": tf.constant(list(new["city"]))})
    assert set(served) == {"rich", "rich_class", "age", "job", "job_class"}
    classes = [text.decode() for text in served["job_class"].numpy()]
    assert classes == list(run.model.predict_target(new, verbose=0)["job"])
    columns = json.loads((tmp_path / "exported" / "assets.extra" / "columns.json").read_text())
    assert [one["target"] for one in columns["targets"]] == ["rich", "age", "job"]


@pytest.mark.slow
def test_command_line(run, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    new = people(30, seed=3)
    new.to_csv("new.csv", index=False)
    assert main(["evaluate", str(run.path), "--data", "new.csv", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"rows", *METRICS}
    assert main(["predict", str(run.path), "new.csv", "--keep", "x"]) == 0
    assert capsys.readouterr().out.startswith("x,rich,rich_probability_yes,age,job,")
    assert main(["check", "people.yaml", "--build"]) == 0
    columns = [line.split() for line in capsys.readouterr().out.splitlines()]
    for words in (["age", "target"], ["w", "weight"], ["x", "numeric"]):
        assert words in [column[:2] for column in columns]
    overrides = ["--set", "training.epochs=1", "--set", GRADNORM]
    if keras.backend.backend() != "tensorflow":
        overrides[-1] = UNCERTAINTY
    assert main(["train", "people.yaml", *overrides]) == 0
    told = capsys.readouterr().out
    for words in ("rich_auc", "age_rmse", "job_loss", "val_rich_auc", "rich_weight"):
        assert words in told


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("weights", [UNCERTAINTY, GRADNORM])
def test_resumes_with_the_weights_that_it_had(folder, weights, tmp_path):
    config = load(folder, weights, "training.epochs=3")
    data = sparse_keras.load_data(config)
    whole = sparse_keras.train(config, data, output=tmp_path / "whole", verbose=0)
    with pytest.raises(Interrupted) as caught:
        callbacks = [BreakAt(3, KeyboardInterrupt)]
        sparse_keras.train(config, data, output=tmp_path, verbose=0, callbacks=callbacks)
    resumed = sparse_keras.train(config, data, resume=caught.value.folder, verbose=0)
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.history == resumed.history


def build(config):
    return build_network(config, sparse_keras.load_data(config))


def test_what_does_not_fit_is_said(folder):
    with pytest.raises(ValueError, match="'dense_mlp' predicts one target. Received 3.*mmoe"):
        build(load(folder, "model={type: dense_mlp, hidden_dim: 4}"))
    one = ("data.target=job", "data.columns={rich: ignore}")
    with pytest.raises(ValueError, match="task_weights weighs several targets.*'job'"):
        build(load(folder, *one, UNCERTAINTY))
    for override, message in (
        ("training.loss={type: focal}", "a loss for each of several targets, such as {rich: {type"),
        ("training.loss={rihc: {type: focal}}", "'rihc', which is none.*Did you mean 'rich'"),
        ("training.loss={age: {type: focal}}", "focal does not fit the target 'age'"),
        ("training.task_weights={type: fixed, weights: {old: 1}}", "'old', which is none of the"),
    ):
        with pytest.raises(ValueError, match=message):
            sparse_keras.build_model(load(folder, override))
    with pytest.raises(ValueError, match="Received one target, 'job'"):
        sparse_keras.build_model(load(folder, *one, "training.loss={job: {type: focal}}"))


def test_one_target_of_a_multi_task_model_is_one_target(folder):
    config = load(
        folder, "data.target=job", "data.columns={rich: ignore}", "training.batch_size=128"
    )
    model = sparse_keras.build_model(config)
    assert model.output.shape == (None, 3) and not isinstance(model, MultiTaskModel)
    data = sparse_keras.load_data(config)
    logs = model.evaluate(data.test, return_dict=True, verbose=0)
    assert {"loss", "accuracy"} <= set(logs)
    # The weighted mean, also of one target.
    p = model.predict(data.test.x, verbose=0)[np.arange(data.test.num_examples), data.test.y]
    weight = data.test.sample_weight
    expected = -(weight * np.log(p)).sum() / weight.sum()
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


def test_compiled_as_the_config_says(folder):
    fixed = "training.task_weights={type: fixed, weights: {age: 0.5, job: 0}}"
    config = load(folder, fixed, "training.loss={age: {type: huber, delta: 2}}")
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    logs = model.train_on_batch(*data.train[0], return_dict=True)
    expected = logs["rich_loss"] + 0.5 * logs["age_loss"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-5) and math.isfinite(logs["loss"])
    assert isinstance(model.loss["age"].loss, keras.losses.Huber)
    assert isinstance(model.loss["rich"], keras.losses.BinaryCrossentropy)
    assert model.task_weights_layer is None


@pytest.mark.slow
def test_weight_decay_leaves_the_variances_alone(folder):
    config = load(folder, UNCERTAINTY, "optimizer.weight_decay=10.0", "training.epochs=1")
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    layer = model.task_weights_layer
    assert isinstance(layer, UncertaintyWeights)
    for variable in layer.trainable_variables:
        variable.assign(5.0)
    model.train_on_batch(*data.train[0])
    # A step of Adam is 0.01 at most; decay alone would be 0.5.
    for variable in layer.trainable_variables:
        assert abs(float(variable) - 5) < 0.02
