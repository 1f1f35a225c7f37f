"""train and load_model: what a run leaves behind."""

import csv
import json
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras._internal import builders
from sparse_keras.callbacks import ExpertLoad, RoutingWarning
from sparse_keras.schema import plugins
from sparse_keras.training import callbacks as training_callbacks
from sparse_keras.training import load_model as loading
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.runs.starting import reproducing_command

pytestmark = pytest.mark.usefixtures("eager_module")

OVERRIDES = ["training.epochs=2", "training.batch_size=64"]


@pytest.fixture(scope="module")
def config():
    return sparse_keras.load_config("tabular/sparse_mlp_breast_cancer", OVERRIDES)


@pytest.fixture(scope="module")
def data(config):
    return sparse_keras.load_data(config)


@pytest.fixture(autouse=True, scope="module")
def no_plugins():
    """Other tests import some, which would be in the commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "_imported", [])
        yield


@pytest.fixture(scope="module")
def run(config, data, tmp_path_factory):
    return sparse_keras.train(config, data, output=tmp_path_factory.mktemp("runs"), verbose=0)


def test_folder_holds_everything(run, config):
    assert {path.name for path in run.path.iterdir()} == {
        "config.yaml",
        "resolved.yaml",
        "environment.json",
        "history.csv",
        "metrics.json",
        "model.keras",
    }
    assert (run.path / "config.yaml").read_text() == config.source_text
    # The resolved config is a config: it trains again, and to the same identity.
    again = sparse_keras.load_config(run.path / "resolved.yaml")
    assert again.hash == config.hash
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["config_hash"] == config.hash
    assert environment["command"] == (
        "sparse-keras train tabular/sparse_mlp_breast_cancer "
        "--set training.epochs=2 --set training.batch_size=64"
    )
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["auc"] == run.metrics["auc"]


@pytest.mark.slow
def test_folder_of_weights_that_early_stopping_left(data, tmp_path):
    """`model.keras` is what training returned; the last epoch's or the best one's lie beside it."""
    stopping = "training.early_stopping={{monitor: load_violation, patience: 1, restore_best: {}}}"
    base = [*OVERRIDES[1:], "training.epochs=20"]
    runs = {}
    for restore in (True, False):
        config = sparse_keras.load_config(
            "tabular/sparse_mlp_breast_cancer", [*base, stopping.format(str(restore).lower())]
        )
        run = sparse_keras.train(config, data, output=tmp_path, verbose=0)
        assert len(run.history["loss"]) < 20  # The last epoch is not the best.
        files = {path.name for path in run.path.glob("*.keras")}
        assert files == {"model.keras", "last.keras" if restore else "best.keras"}
        runs[restore] = [weights_of(run.path / name) for name in sorted(files)]
    last, best = runs[True]
    for one, other in ((runs[False][0], best), (runs[False][1], last)):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(last, best, strict=True))


def weights_of(path):
    return sparse_keras.load_model(path).get_weights()


def test_history_is_there_after_each_epoch(config, data, tmp_path):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            (file,) = tmp_path.rglob("history.csv")
            seen.append(len(file.read_text().splitlines()))

    sparse_keras.train(config, data, output=tmp_path, verbose=0, callbacks=[Look()])
    assert seen == [1, 2]  # The header, then a line for each epoch.


@pytest.mark.slow
def test_tensorboard(config, data, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = sparse_keras.train(config, data, output=tmp_path, verbose=0, tensorboard=True)
    for part, tag, log in (
        ("train", "epoch_load_violation", "load_violation"),
        ("validation", "epoch_loss", "val_loss"),
    ):
        events = EventAccumulator(str(run.path / "tensorboard" / part)).Reload()
        values = [keras.ops.convert_to_numpy(tensor_of(event)) for event in events.Tensors(tag)]
        np.testing.assert_allclose(values, run.history[log], rtol=1e-6)
    # And what the experts do.
    events = EventAccumulator(str(run.path / "tensorboard" / "experts")).Reload()
    tags = events.Tags()["tensors"]
    (load,) = {tag for tag in tags if tag.endswith("/load")}
    (violation,) = {tag for tag in tags if tag.endswith("/load_violation")}
    assert [event.step for event in events.Tensors(load)] == [0, 1]
    values = [keras.ops.convert_to_numpy(tensor_of(event)) for event in events.Tensors(violation)]
    np.testing.assert_allclose(values, run.history["load_violation"], rtol=1e-6)


def tensor_of(event):
    import tensorflow as tf

    return tf.make_ndarray(event.tensor_proto)


def test_without_tensorboard(config, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        sparse_keras.train(config, data, output=tmp_path, tensorboard=True)
    assert not list(tmp_path.iterdir())


def test_history_has_a_row_for_each_epoch(run):
    rows = list(csv.DictReader((run.path / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for row in rows:
        assert {"loss", "val_loss", "val_auc", "load_violation", "task_loss"} <= set(row)
        np.testing.assert_allclose(
            float(row["task_loss"]), float(row["loss"]) - float(row["aux_loss"]), atol=1e-6
        )


def test_learns(run):
    assert run.metrics["auc"] > 0.95


def test_same_seed_same_weights(config, data, run, tmp_path):
    again = sparse_keras.train(config, sparse_keras.load_data(config), output=tmp_path, verbose=0)
    for a, b in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_loads_in_a_fresh_process(run, data):
    """In safe mode, without custom objects, from the folder or the file, and from a raw row."""
    row = data.frames["test"].iloc[[0]].drop(columns="diagnosis")
    script = (
        "import json, sys, sparse_keras\n"
        "row = json.loads(sys.argv[1])\n"
        "for path in sys.argv[2:]:\n"
        "    model = sparse_keras.load_model(path)\n"
        "    print(repr(float(model.predict(row, verbose=0).item())))\n"
        "    print(model.predict_target(row, verbose=0)[0])"
    )
    raw = json.dumps({name: float(value) for name, value in row.iloc[0].items()})
    paths = [str(run.path), str(run.path / "model.keras")]
    done = subprocess.run(
        [sys.executable, "-c", script, raw, *paths], capture_output=True, text=True, check=True
    )
    expected = run.model.predict(row, verbose=0).item()
    probability, label, *of_file = done.stdout.split()
    assert float(probability) == pytest.approx(expected, rel=1e-6)
    assert label == run.model.predict_target(row, verbose=0)[0]
    assert of_file == [probability, label]


def test_plug_ins_are_known_before_a_model_is_loaded(run, monkeypatch):
    calls = []
    monkeypatch.setattr(loading, "load_installed", lambda: calls.append("installed"))
    monkeypatch.setattr(builders, "import_all", lambda: calls.append("builders"))

    def load(file):
        calls.append(file.name)
        return run.model

    monkeypatch.setattr(keras.models, "load_model", load)
    sparse_keras.load_model(run.path)
    assert calls == ["installed", "builders", "model.keras"]


def test_loaded_model_evaluates_and_trains_on(run, data):
    model = sparse_keras.load_model(run.path)
    metrics = model.evaluate(data.test, return_dict=True, verbose=0)
    assert metrics["auc"] == pytest.approx(run.metrics["auc"])
    model.fit(data.train, epochs=1, verbose=0)


@pytest.mark.slow
def test_two_runs_never_share_a_folder(config, data, tmp_path):
    one_epoch = sparse_keras.load_config(
        "tabular/sparse_mlp_breast_cancer", ["training={epochs: 1, early_stopping: null}"]
    )
    runs = [sparse_keras.train(one_epoch, data, output=tmp_path, verbose=0) for _ in range(2)]
    assert runs[0].path != runs[1].path


def test_without_an_optimizer(tmp_path):
    config = sparse_keras.load_config("tabular/sparse_mlp_breast_cancer", ["optimizer=null"])
    with pytest.raises(ValueError, match="optimizer"):
        sparse_keras.train(config, output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number(data, tmp_path):
    config = sparse_keras.load_config(
        "tabular/sparse_mlp_breast_cancer",
        [*OVERRIDES, "optimizer={type: sgd, learning_rate: 1e30}"],
    )
    with pytest.raises(FloatingPointError, match="learning_rate"):
        sparse_keras.train(config, data, output=tmp_path, verbose=0)
    assert not list(tmp_path.rglob("*.npz"))  # Nothing to resume from.


def test_early_stopping_by_what_is_not_logged(data, tmp_path):
    config = sparse_keras.load_config(
        "tabular/sparse_mlp_breast_cancer", ["training.early_stopping={monitor: val_acuracy}"]
    )
    with pytest.raises(ValueError, match="Did you mean 'val_accuracy'"):
        sparse_keras.train(config, data, output=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_told_of_experts(data, tmp_path, recwarn):
    def train(*overrides):
        config = sparse_keras.load_config(
            "tabular/sparse_mlp_breast_cancer",
            ["training.epochs=1", "model.capacity_factor=0.5", *overrides],
        )
        recwarn.clear()
        run = sparse_keras.train(config, data, output=tmp_path, verbose=0)
        told = [str(one.message) for one in recwarn if one.category is RoutingWarning]
        return run.history, told

    plain, told = train()
    assert len(told) == 1 and "dropped" in told[0]
    everything, told = train(
        "training.expert_load={per_layer: true, per_expert: true, collapse_above: 0.01, "
        "dropped_above: null}",
        # What only this logs can be watched.
        "training.early_stopping.monitor=block_0_mixture/dead",
    )
    assert len(told) == 1 and "has collapsed" in told[0]
    more = everything.keys() - plain.keys()
    assert {"block_0_mixture/load_violation", "block_0_mixture/load_0"} <= more
    assert all(name.startswith("block_0_mixture/") for name in more)
    assert train("training.expert_load={warn: false}")[1] == []


def test_what_less_is_better_of_is_logged(data, tmp_path):
    config = sparse_keras.load_config(
        "tabular/sparse_mlp_breast_cancer",
        ["training.epochs=1", "training.expert_load={per_layer: true}"],
    )
    run = sparse_keras.train(config, data, output=tmp_path, verbose=0)
    watchable = ExpertLoad(per_layer=True).to_minimize(run.model)
    assert set(watchable) <= run.history.keys()
    assert set(ExpertLoad().to_minimize(run.model)) < set(watchable)


def test_nothing_to_tell_of_a_model_without_experts(data, tmp_path, monkeypatch):
    config = sparse_keras.load_config(
        "tabular/sparse_mlp_breast_cancer", ["training.expert_load={}"]
    )
    # As of a plug-in's model, of which the schema cannot know.
    monkeypatch.setattr(training_callbacks, "gated_layers", lambda model: [])
    with pytest.raises(ValueError, match="'sparse_mlp' has no mixture of experts. Leave it out"):
        sparse_keras.train(config, data, output=tmp_path, verbose=0)
    assert not list(tmp_path.iterdir())


def test_command_survives_the_shell():
    overrides = ["training.early_stopping={monitor: val_loss, patience: 1}"]
    config = sparse_keras.load_config("tabular/sparse_mlp_breast_cancer", overrides)
    words = shlex.split(reproducing_command(config))
    assert words == ["sparse-keras", "train", config.reference, "--set", *overrides]


def test_plug_ins_are_in_the_command_and_the_environment(config, data, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "_imported", [])
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_own_plugin.py").write_text("")
    plugins.import_plugin("my_own_plugin")
    run = sparse_keras.train(config, data, output=tmp_path, verbose=0)
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["imports"] == ["my_own_plugin"]
    assert environment["command"].endswith(" --import my_own_plugin")
    assert RunFolder(run.path).resuming_command.endswith(f"{run.path} --import my_own_plugin")


def test_load_model_from_nowhere(tmp_path):
    with pytest.raises(ValueError, match="no file"):
        sparse_keras.load_model(tmp_path / "nothing.keras")
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="broken.keras"):
        sparse_keras.load_model(broken)
