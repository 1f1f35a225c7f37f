"""The threshold from a config to the saved model, and all that decides by it."""

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score

import sparse_keras
from sparse_keras.cli import main
from sparse_keras.data import ArrayBatches
from sparse_keras.schema import ConfigError
from sparse_keras.tasks.scores import scores
from sparse_keras.training.thresholds import check_threshold

pytestmark = pytest.mark.usefixtures("eager_module")

CONFIG = """
version: 1
data: {type: csv, path: table.csv, target: y, bins: none, validation_fraction: 0.3}
model:
  type: sparse_mlp
  stem: null
  experts: {type: mlp, num_experts: 2, hidden_dim: 4}
  router: {type: top_k, k: 1}
optimizer: {type: adam, learning_rate: 0.05}
training:
  epochs: 3
  batch_size: 64
  threshold: f1
  early_stopping: {monitor: val_average_precision, patience: 3, restore_best: false}
"""


class BestEpoch(keras.callbacks.Callback):
    """Makes the first epoch the best one, and the later ones another model."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            weights = self.model.get_weights()
            self.model.set_weights([-weight for weight in weights])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thresholds")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 2))
    y = rng.random(240) < 1 / (1 + np.exp(1.5 - 2 * x[:, 0]))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(y, "yes", "no")})
    frame.to_csv(folder / "table.csv", index=False)
    (folder / "table.yaml").write_text(CONFIG)
    return folder


def load(folder, *overrides):
    return sparse_keras.load_config(folder / "table.yaml", overrides)


@pytest.fixture(scope="module")
def run(folder):
    config = load(folder)
    return sparse_keras.train(config, output=folder / "runs", callbacks=[BestEpoch()], verbose=0)


@pytest.fixture(scope="module")
def data(run):
    return sparse_keras.load_data(run.config)


def best_f1(data, model):
    """The best F1 of validation rows, by trying each probability."""
    y, p = data.validation.y, model.predict(data.validation.x, verbose=0)[:, 0]
    return max(f1_score(y, p >= one) for one in p)


def f1_at_threshold(data, model):
    predicted = model.predict_target(data.frames["validation"], verbose=0)
    return f1_score(data.validation.y, predicted == "yes")


def test_it_is_tuned_for_the_weights_of_each_file(run, data):
    final, best = run.model, sparse_keras.load_model(run.path / "best.keras")
    assert 0 < final.threshold < 1 and final.threshold != 0.5
    assert final.threshold != best.threshold
    for model in (final, best):
        assert f1_at_threshold(data, model) == pytest.approx(best_f1(data, model))


def test_metrics_are_at_the_threshold(run, data, folder, capsys):
    p = run.model.predict(data.test.x, verbose=0)
    expected = scores(run.model.task, data.test.y, p)
    assert expected["threshold"] == run.model.threshold
    written = json.loads((run.path / "metrics.json").read_text())
    for name, value in expected.items():
        assert run.metrics[name] == written[name] == pytest.approx(value), name
    assert run.metrics["f1"] != scores(data.task, data.test.y, p)["f1"]
    assert main(["evaluate", str(run.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"rows": 48} | {name: pytest.approx(written[name]) for name in run.metrics}
    assert main(["evaluate", str(run.path)]) == 0
    assert f"'yes' from a probability of {run.model.threshold:.4g} on" in capsys.readouterr().out
    assert main(["evaluate", str(run.path), "--json", "--threshold", "0.9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["threshold"] == 0.9
    assert found["accuracy"] == pytest.approx(np.mean((p[:, 0] >= 0.9) == data.test.y))


def test_early_stopping_sees_the_exact_average_precision(run, data):
    p = run.model.predict(data.validation.x, verbose=0)
    expected = average_precision_score(data.validation.y, p)
    assert run.history["val_average_precision"][-1] == pytest.approx(expected, abs=1e-12)
    assert "average_precision" not in run.history  # It is not computed of the training rows.


def test_it_may_be_set_and_is_saved(run, folder, data, tmp_path):
    model = sparse_keras.load_model(run.path)
    assert model.threshold == run.model.threshold
    table = data.frames["test"]
    p = model.predict(table, verbose=0)[:, 0]
    for threshold in (0.25, float(p[3]), 0.8):
        model.threshold = threshold
        expected = np.where(p >= np.float32(threshold), "yes", "no").tolist()
        assert model.predict_target(table, verbose=0).tolist() == expected
        assert model.predict_frame(table, verbose=0)["prediction"].tolist() == expected
        # The metrics that Keras has compiled already follow.
        found = model.evaluate(table, return_dict=True, verbose=0)["accuracy"]
        assert found == pytest.approx((table["y"] == expected).mean())
    model.save(tmp_path / "model.keras")
    again = sparse_keras.load_model(tmp_path / "model.keras")
    assert again.threshold == 0.8
    found = again.evaluate(table, return_dict=True, verbose=0)["accuracy"]
    assert found == pytest.approx((table["y"] == expected).mean())
    for bad in (0, 1, "f1", None, [0.2, 0.3]):
        with pytest.raises(ValueError, match="between 0 and 1"):
            model.threshold = bad
    assert model.threshold == 0.8


@pytest.mark.tensorflow
def test_an_export_decides_as_the_model_does(run, data, tmp_path):
    import tensorflow as tf

    from sparse_keras.data.tabular.tensorflow_export import raw_tensors

    model = sparse_keras.load_model(run.path)
    table = data.frames["test"]
    tensors = raw_tensors(model.preprocessor.features, table)
    # A probability that equals the threshold, too.
    model.threshold = float(model.predict(table, verbose=0)[5, 0])
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    served = loaded.serve({name: tf.constant(array) for name, array in tensors.items()})
    # Where the served probability is that of the model, to the last bit.
    same = served["prediction"].numpy()[:, 0] == model.predict(table, verbose=0)[:, 0]
    classes = np.array([text.decode() for text in served["class"].numpy()])
    assert same.sum() > 9
    expected = model.predict_target(table, verbose=0)
    assert classes[same].tolist() == expected[same].tolist() and len(set(classes)) == 2
    written = json.loads((tmp_path / "exported" / "assets.extra" / "columns.json").read_text())
    assert written["threshold"] == model.threshold


def test_predict_on_the_command_line(run, data, folder, tmp_path, capsys):
    for arguments, threshold in (([], run.model.threshold), (["--threshold", "0.9"], 0.9)):
        assert main(["predict", str(run.path), str(folder / "table.csv"), *arguments]) == 0
        (tmp_path / "out.csv").write_text(capsys.readouterr().out)
        found = pd.read_csv(tmp_path / "out.csv")
        expected = np.where(found["probability_yes"] >= threshold, "yes", "no")
        assert found["prediction"].tolist() == expected.tolist()
    assert main(["predict", str(run.path), str(folder / "table.csv"), "--threshold", "2"]) == 2
    assert "--threshold: Expected a threshold between 0 and 1" in capsys.readouterr().err


def test_a_number_counts_in_training_too(folder, run):
    config = load(folder, "training.threshold=0.9", "training.epochs=1")
    given = sparse_keras.train(config, output=folder / "runs", verbose=0)
    assert given.model.threshold == given.metrics["threshold"] == 0.9
    data = sparse_keras.load_data(config)
    p = given.model.predict(data.validation.x, verbose=0)[:, 0]
    expected = np.mean((p >= 0.9) == data.validation.y)
    assert given.history["val_accuracy"][-1] == pytest.approx(expected)


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["training.threshold=balance_acuracy"], "did you mean 'balanced_accuracy'"),
        (["training.threshold=1.5"], "between 0 and 1, f1 or balanced_accuracy"),
        (["training.threshold={}"], "between 0 and 1"),
        (["training.class_weight=balance"], "did you mean 'balanced'"),
        (["training.class_weight={yes: 0}"], "a weight above 0"),
        (
            ["data.validation_fraction=0", "training.early_stopping=null"],
            "is tuned on validation rows, but data.validation_fraction is 0",
        ),
    ],
)
def test_mistakes_in_a_config(folder, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, *overrides)


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["data.target=a"], "training.threshold: The target 'a' is regression"),
        (["training.threshold={y: f1}"], "one target, 'y'"),
        (["training.early_stopping.monitor=val_avg_precision"], "Did you mean 'val_average_prec"),
        (["training.early_stopping.monitor=average_precision"], "val_average_precision"),
    ],
)
def test_mistakes_before_training(folder, overrides, message):
    before = list((folder / "runs").rglob("environment.json"))
    with pytest.raises(ValueError, match=message):
        sparse_keras.train(load(folder, *overrides), output=folder / "runs", verbose=0)
    assert list((folder / "runs").rglob("environment.json")) == before


def test_validation_rows_of_one_class(data):
    negative = data.validation.y == 0
    only = ArrayBatches(data.validation.x[negative], data.validation.y[negative])
    with pytest.raises(ValueError, match="validation rows of both classes.*one class of 'y'"):
        check_threshold("f1", dataclasses.replace(data, validation=only))
    check_threshold(0.3, dataclasses.replace(data, validation=None))
    with pytest.raises(ValueError, match="tuned on validation rows, and the data set"):
        check_threshold("f1", dataclasses.replace(data, validation=None))


def test_labels_and_several_targets(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    labels = pd.DataFrame({"one": (x > 0.7).astype(int), "two": (x < -0.5).astype(int)})
    frame = labels.assign(x=x, rich=np.where(x > 1, "yes", "no"), age=40 + x)
    frame.to_csv(tmp_path / "table.csv", index=False)
    text = (
        "version: 1\noptimizer: {type: adam, learning_rate: 0.02}\n"
        "training: {epochs: 1, batch_size: 64, threshold: %s}\n"
        "data: {type: csv, path: table.csv, target: %s, validation_fraction: 0.4}\nmodel: %s\n"
    )
    one = "{type: dense_mlp, hidden_dim: 4}"
    several = "{type: mmoe, experts: {type: dense, num_experts: 2, units: 4}}"
    cases = {
        "labels": ("balanced_accuracy", "[one, two]", one),
        "several": ("{rich: f1}", "{rich: binary, age: regression}", several),
    }
    for name, values in cases.items():
        (tmp_path / f"{name}.yaml").write_text(text % values)
        config = sparse_keras.load_config(tmp_path / f"{name}.yaml")
        run = sparse_keras.train(config, output=tmp_path / "runs", verbose=0)
        threshold = run.model.threshold
        assert sparse_keras.load_model(run.path).threshold == threshold
        predicted = run.model.predict_frame(frame, verbose=0)
        if name == "labels":
            assert len(threshold) == 2 and 0.5 not in threshold
            for label, limit in zip(("one", "two"), threshold, strict=True):
                expected = predicted[f"probability_{label}"] >= np.float32(limit)
                assert predicted[label].tolist() == expected.tolist()
        else:
            assert threshold.keys() == {"rich"} and threshold["rich"] != 0.5
            assert run.metrics["rich_threshold"] == threshold["rich"]
            expected = predicted["rich_probability_yes"] >= np.float32(threshold["rich"])
            assert predicted["rich"].tolist() == np.where(expected, "yes", "no").tolist()
