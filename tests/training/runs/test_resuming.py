"""A training that was killed and resumed is the training that was not, bit for bit."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.train import Interrupted
from tests.support.dying import CONFIG, final_state, load_config

ROOT = Path(__file__).resolve().parents[3]


class Break(Exception):
    """Ends a training like a kill, but for this process."""


class BreakAt(keras.callbacks.Callback):
    """Raises after a batch of an epoch, both counted from 1."""

    def __init__(self, epoch, error=Break, batch=3):
        super().__init__()
        self.epoch, self.error, self.batch = epoch, error, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch + 1) == (self.epoch, self.batch):
            raise self.error

    def state_dict(self):
        return {}  # Nothing to miss in the training that goes on without it.


def train(config, data, **kwargs):
    return sparse_keras.train(config, data, verbose=0, **kwargs)


def broken(config, data, output, epoch, callbacks=(), **kwargs):
    """Trains until somewhere in an epoch; returns the run's folder."""
    with pytest.raises(Break):
        train(config, data, output=output, callbacks=[*callbacks, BreakAt(epoch, **kwargs)])
    return only_run(output)


def only_run(output):
    (folder,) = (Path(output) / CONFIG).iterdir()
    return folder


def resumed(config, data, folder, **kwargs):
    return train(config, data, resume=folder, **kwargs)


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name, strict=True)


def process(**arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.support.dying", json.dumps(arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def checkpoints_of(folder):
    return sorted(path.name for path in (folder / "checkpoints").glob("*.npz"))


def history_of(folder):
    return (folder / "history.csv").read_text()


@pytest.fixture(scope="module")
def config():
    return load_config()


@pytest.fixture(scope="module")
def data(config):
    return sparse_keras.load_data(config)


@pytest.fixture(scope="module")
def whole(config, data, tmp_path_factory):
    """The training that nothing happened to."""
    return train(config, data, output=tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def broken_once(config, data, tmp_path_factory):
    return broken(config, data, tmp_path_factory.mktemp("broken"), 4)


@pytest.fixture
def half(broken_once, tmp_path):
    """The folder of one that broke in its fourth epoch."""
    return shutil.copytree(broken_once, tmp_path / "half")


@pytest.mark.slow
def test_killed_in_mid_epoch(whole, tmp_path):
    killed = process(output=str(tmp_path), batch=[4, 3])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folder = only_run(tmp_path)
    assert len(list(csv.DictReader((folder / "history.csv").read_text().splitlines()))) == 3
    done = process(resume=str(folder), state=str(tmp_path / "state.npz"))
    assert done.returncode == 0, done.stderr
    assert_equal(dict(np.load(tmp_path / "state.npz")), final_state(whole))
    assert history_of(folder) == history_of(whole.path)
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in whole.path.iterdir()}


# 25 steps are three epochs of 7 steps and 4 more.
STEPS = {
    "training.epochs": "null",
    "training.steps": "25",
    "training.checkpoint_every": "{steps: 3}",
    "optimizer.fused": "true",
}


class Batches(keras.callbacks.Callback):
    """Counts what it sees within an epoch, and forgets it when another begins."""

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, logs["loss"]))

    def on_epoch_end(self, epoch, logs=None):
        logs["mean"] = float(np.mean([loss for _, loss in self.seen]))
        logs["batches"] = len({batch for batch, _ in self.seen})


@pytest.mark.slow
def test_broken_within_an_epoch(data, tmp_path):
    """Training counts steps; what was broken after a checkpoint within an epoch goes on there."""
    config = load_config(STEPS)
    expected = train(config, data, output=tmp_path / "whole", callbacks=[Batches()])
    assert expected.history["batches"] == [7, 7, 7, 4]
    assert int(expected.model.optimizer.iterations) == 25
    folder = broken(config, data, tmp_path / "half", 3, [Batches()], batch=6)
    # Steps 15 and 18 of 20.
    names = ["epoch_000002_batch_000000001.npz", "epoch_000002_batch_000000004.npz"]
    assert checkpoints_of(folder) == names
    seen = Batches()
    again = resumed(config, data, folder, callbacks=[seen])
    assert_equal(final_state(again), final_state(expected))
    assert history_of(folder) == history_of(expected.path)
    assert [batch for batch, _ in seen.seen] == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def every_step():
    return load_config(STEPS | {"training.checkpoint_every": "{steps: 1}"})


@pytest.fixture(scope="module")
def whole_of_every_step(every_step, data, tmp_path_factory):
    return train(every_step, data, output=tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 7, 22, 24])
def test_broken_after_any_step(step, every_step, data, whole_of_every_step, tmp_path):
    """With a checkpoint after each step: also right before and after the end of an epoch."""
    config, expected = every_step, whole_of_every_step
    epoch, batch = divmod(step, 7)
    folder = broken(config, data, tmp_path / "half", epoch + 1, batch=batch + 1)
    again = resumed(config, data, folder)
    assert_equal(final_state(again), final_state(expected))
    assert history_of(folder) == history_of(expected.path)


@pytest.mark.slow
def test_killed_within_an_epoch(data, tmp_path):
    """By SIGKILL: between checkpoints, while one is written, and in another epoch."""
    expected = train(load_config(STEPS), data, output=tmp_path / "whole")
    place = {"output": str(tmp_path / "killed")}
    writing = "epoch_000002_batch_000000004.npz"
    for when in ({"batch": [2, 4]}, {"writing": writing}, {"batch": [4, 2]}):
        killed = process(overrides=STEPS, **place, **when)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        place = {"resume": str(only_run(tmp_path / "killed"))}
    done = process(overrides=STEPS, **place, state=str(tmp_path / "state.npz"))
    assert done.returncode == 0, done.stderr
    assert_equal(dict(np.load(tmp_path / "state.npz")), final_state(expected))
    assert history_of(only_run(tmp_path / "killed")) == history_of(expected.path)


@pytest.mark.slow
def test_killed_while_a_checkpoint_is_written(config, data, whole, tmp_path):
    killed = process(output=str(tmp_path), writing="epoch_000003.npz")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folder = only_run(tmp_path)
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert re.fullmatch(r"\.partial_[0-9a-f]{8}_epoch_000003\.npz", names[0])
    assert names[1:] == ["epoch_000001.npz", "epoch_000002.npz", "lock"]
    again = resumed(config, data, folder)
    assert not list(folder.rglob(".partial_*"))
    assert_equal(final_state(again), final_state(whole))


@pytest.mark.slow
def test_killed_again_and_again(whole, tmp_path):
    generator = np.random.default_rng(0)
    place = {"output": str(tmp_path)}
    for epoch in (1, 2, 4):
        if generator.integers(2):
            when = {"batch": [epoch, int(generator.integers(1, 7))]}
        else:
            when = {"writing": f"epoch_{epoch:06}.npz"}
        assert process(**place, **when).returncode == -signal.SIGKILL
        place = {"resume": str(only_run(tmp_path))}
    done = process(**place, state=str(tmp_path / "state.npz"))
    assert done.returncode == 0, done.stderr
    assert_equal(dict(np.load(tmp_path / "state.npz")), final_state(whole))


@pytest.mark.slow
def test_a_half_written_checkpoint_is_passed_over(config, data, half, whole):
    newest = half / "checkpoints" / "epoch_000003.npz"
    newest.write_bytes(newest.read_bytes()[:-1000])
    with pytest.warns(UserWarning, match="epoch_000003.npz"):
        again = resumed(config, data, half)
    assert_equal(final_state(again), final_state(whole))
    assert history_of(half) == history_of(whole.path)


@pytest.mark.slow
def test_no_checkpoint_is_left(config, data, half, whole):
    for path in (half / "checkpoints").glob("*.npz"):
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged"):
        again = resumed(config, data, half)
    assert_equal(final_state(again), final_state(whole))


@pytest.mark.slow
def test_a_checkpoint_of_another_model_is_refused_and_left(config, data, half, tmp_path):
    wider = load_config({"model.stem": 16})
    other = broken(wider, data, tmp_path / "wider", 3)
    stray = (other / "checkpoints" / "epoch_000002.npz").read_bytes()
    (half / "checkpoints" / "epoch_000004.npz").write_bytes(stray)
    before = sorted((half / "checkpoints").glob("*.npz"))
    with pytest.raises(ValueError, match="does not fit this training: it is of another config"):
        resumed(config, data, half)
    assert sorted((half / "checkpoints").glob("*.npz")) == before


VARIANTS = {
    "fused float16": {
        "training.precision": "mixed_float16",
        "optimizer": "{type: adam, fused: true, clipnorm: 1.0}",
    },
    "float16, momentum and a router with a state": {
        "training.precision": "mixed_float16",
        "optimizer": "{type: sgd, momentum: 0.9}",
        "model.router": "{type: relu}",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants(variant, data, tmp_path):
    config = load_config(VARIANTS[variant] | {"training.epochs": 3})
    expected = train(config, data, output=tmp_path / "whole")
    again = resumed(config, data, broken(config, data, tmp_path / "half", 3))
    assert_equal(final_state(again), final_state(expected))


class Memory(keras.callbacks.Callback):
    """A user's callback: it counts and sums, in plain attributes of many kinds."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def on_train_begin(self, logs=None):
        self.losses, self.pair, self.table = [], (0, 0.0), {"mean": np.zeros(2)}

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["val_loss"] * self.factor)
        self.pair = (self.pair[0] + 1, self.pair[1] + logs["loss"])
        self.table["mean"] += self.losses[-1]


class OwnWords(keras.callbacks.Callback):
    """A user's callback whose state is no plain value, and which says what to keep."""

    def on_train_begin(self, logs=None):
        self.generator = np.random.default_rng(0)
        self.drawn = None

    def on_epoch_end(self, epoch, logs=None):
        self.drawn = self.generator.integers(1000)

    def state_dict(self):
        return {"state": json.dumps(self.generator.bit_generator.state)}

    def load_state_dict(self, state):
        self.generator.bit_generator.state = json.loads(state["state"])


@pytest.mark.slow
def test_callbacks_go_on(data, tmp_path):
    config = load_config({"optimizer": "{type: adam}", "training.early_stopping": "null"})

    def callbacks():
        # Reduces the rate more than once; `min_delta`, whose sign Keras turns, decides when.
        plateau = keras.callbacks.ReduceLROnPlateau("val_loss", 0.5, patience=2, min_delta=0.05)
        return [plateau, Memory(), OwnWords()]

    first, second = callbacks(), callbacks()
    expected = train(config, data, output=tmp_path / "whole", callbacks=first)
    rates = expected.history["learning_rate"]
    assert len(set(rates)) > 1  # Else the test shows nothing.
    folder = broken(config, data, tmp_path / "half", 4, callbacks())
    again = resumed(config, data, folder, callbacks=second)
    assert_equal(final_state(again), final_state(expected))
    assert (second[1].losses, second[1].pair) == (first[1].losses, first[1].pair)
    np.testing.assert_array_equal(second[1].table["mean"], first[1].table["mean"])
    assert second[2].drawn == first[2].drawn


@pytest.mark.slow
def test_what_the_constructor_of_a_callback_says_is_in_force(config, data, tmp_path):
    folder = broken(config, data, tmp_path, 4, [Memory(factor=1.0)])
    memory = Memory(factor=-1.0)
    resumed(config, data, folder, callbacks=[memory])
    assert min(memory.losses[:3]) > 0 > max(memory.losses[3:])


@pytest.mark.slow
def test_a_missing_callback_is_told(config, data, tmp_path):
    folder = broken(config, data, tmp_path, 2, [Memory()])
    with pytest.warns(UserWarning, match="the callback Memory"):
        resumed(config, data, folder)


@pytest.mark.slow
def test_stopped_early_is_stopped(data, tmp_path, monkeypatch):
    """Killed after early stopping, before the model is saved: nothing more is trained."""
    stops = load_config(
        {
            "training.epochs": 20,
            "training.early_stopping": "{monitor: load_violation, patience: 1}",
        }
    )
    expected = train(stops, data, output=tmp_path / "whole")
    epochs = len(expected.history["loss"])
    assert epochs < 20

    def fail(*args):
        raise Break

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save_model", fail)
        with pytest.raises(Break):
            train(stops, data, output=tmp_path / "half")
    again = resumed(stops, data, only_run(tmp_path / "half"))
    assert len(again.history["loss"]) == epochs
    assert_equal(final_state(again), final_state(expected))


@pytest.mark.slow
def test_killed_after_the_last_epoch(config, data, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "finish", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(config, data, output=tmp_path)
    again = resumed(config, data, only_run(tmp_path))
    assert_equal(final_state(again), final_state(whole))


@pytest.mark.slow
def test_seconds_go_on(config, data, half):
    with np.load(half / "checkpoints" / "epoch_000003.npz") as arrays:
        content = json.loads(arrays["content"].tobytes())["dict"]
    again = resumed(config, data, half)
    assert again.seconds > content["seconds"] > 0


@pytest.mark.slow
def test_ctrl_c_says_where_to_go_on(config, data, whole, tmp_path):
    with pytest.raises(Interrupted, match="resume=") as caught:
        train(config, data, output=tmp_path, callbacks=[BreakAt(3, KeyboardInterrupt)])
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.folder == only_run(tmp_path)
    again = resumed(config, data, caught.value.folder)
    assert_equal(final_state(again), final_state(whole))


@pytest.mark.slow
def test_what_cannot_be_resumed(config, data, half, whole, tmp_path):
    with pytest.raises(ValueError, match="is finished"):
        train(config, data, resume=whole.path)
    with pytest.raises(ValueError, match="environment.json"):
        train(config, data, resume=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="another config.*resolved.yaml"):
        train(load_config({"training.seed": 1}), data, resume=half)
    resolved = sparse_keras.load_config(half / "resolved.yaml")
    resumed(resolved, data, half)


@pytest.mark.slow
def test_two_processes_do_not_share_a_folder(config, data, half):
    holder = (
        "import pathlib, sys; from sparse_keras.training.runs.lock import only_process\n"
        "with only_process(pathlib.Path(sys.argv[1])):\n    print('held', flush=True); input()"
    )
    arguments = [sys.executable, "-c", holder, str(half / "checkpoints")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(arguments, cwd=ROOT, **pipes) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="Another process"):
            resumed(config, data, half)
        other.kill()
    resumed(config, data, half)
