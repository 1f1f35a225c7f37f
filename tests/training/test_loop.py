"""The training loop: epochs, steps, and a start within an epoch."""

import keras
import numpy as np
import pytest

from sparse_keras.data import ArrayBatches
from sparse_keras.data.batches import check_batches
from sparse_keras.optimizers.from_config import optimizer_of
from sparse_keras.schema.sections.optimizers import Adam, Cosine
from sparse_keras.schema.sections.training import EarlyStopping, TrainingConfig
from sparse_keras.training.loop import check_losses, early_stopping, fit


class Recorder(keras.callbacks.Callback):
    """Every call of `fit`, in order."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_train_end(self, logs=None):
        self.calls.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(batch)


class Numbers(keras.utils.PyDataset):
    """What a plug-in might bring: three batches of one row, another order in each epoch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.epoch = 0
        self.served = []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.served.append((self.epoch, index))
        x = np.full((1, 1), (index + self.epoch) % 3, "float32")
        return x, x


def trained(training, **kwargs):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    recorder = Recorder()
    data = Numbers()
    history = fit(model, data, data, training, [recorder], verbose=0, **kwargs)
    return recorder.calls, history, data


def test_epochs():
    calls, history, data = trained(TrainingConfig(epochs=2))
    assert calls == ["begin", "epoch 0", 0, 1, 2, "epoch 1", 0, 1, 2, "end"]
    assert len(history.history["val_loss"]) == 2
    assert data.epoch == 1


def test_steps_end_within_an_epoch_which_has_its_logs():
    calls, history, _ = trained(TrainingConfig(epochs=None, steps=5))
    assert calls == ["begin", "epoch 0", 0, 1, 2, "epoch 1", 0, 1, "end"]
    assert len(history.history["val_loss"]) == len(history.history["loss"]) == 2


@pytest.mark.parametrize(
    ("training", "start", "expected"),
    [
        (TrainingConfig(epochs=3), (1, 2), ["epoch 1", 2, "epoch 2", 0, 1, 2]),
        (TrainingConfig(epochs=None, steps=5), (1, 1), ["epoch 1", 1]),
        (TrainingConfig(epochs=2), (2, 0), []),
    ],
)
def test_a_start_within_an_epoch(training, start, expected):
    calls, _, data = trained(training, epoch=start[0], batch=start[1])
    assert calls == ["begin", *expected, "end"]
    if expected:
        assert start in data.served


def test_stopping_in_the_rest_of_an_epoch_ends_the_training():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    recorder = Recorder()
    fit(model, Numbers(), None, TrainingConfig(), [recorder, Stop()], verbose=0, batch=2)
    assert recorder.calls == ["begin", "epoch 0", 2, "end"]


class NoEpoch(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return np.ones((1, 1)), np.ones((1, 1))


class Endless(NoEpoch):
    epoch = 0
    num_batches = None


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (NoEpoch(), "NoEpoch. It has no attribute `epoch`.*self.epoch = 0"),
        (Endless(), "Endless. Its `num_batches` is None"),
        ([(1, 1)], "Received: list. It is no keras.utils.PyDataset"),
    ],
)
def test_batches_that_cannot_be_resumed(batches, message):
    with pytest.raises(ValueError, match=message):
        check_batches(batches)


def test_batches_that_can():
    check_batches(Numbers())
    check_batches(ArrayBatches({"numeric": np.ones((2, 1))}, np.ones(2)))


def test_losses_that_are_no_numbers():
    check_losses([2.0, 1.0], "Try this.")
    with pytest.raises(FloatingPointError, match="in epoch 2. Try this"):
        check_losses([2.0, np.nan], "Try this.")


def test_early_stopping():
    callback = early_stopping(EarlyStopping(monitor="val_auc", patience=2), "max")
    assert callback.monitor == "val_auc" and callback.patience == 2
    assert callback.mode == "max" and callback.restore_best_weights


def test_a_schedule_over_steps():
    """A rise over half an epoch of 4 steps, then half a cosine over the other 8 of 10 steps."""
    section = Adam(learning_rate=1.0, schedule=Cosine(warmup_epochs=0.5))
    optimizer = optimizer_of(section, steps_per_epoch=4, total_steps=10)
    values = []
    for step in (0, 1, 2, 6, 10):
        optimizer.iterations.assign(step)
        values.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(values, [0.0, 0.5, 1.0, 0.5, 0.0], atol=1e-6)
    section = Adam(schedule=Cosine(warmup_epochs=2.5))
    with pytest.raises(ValueError, match="warmup_epochs.*training of 10 steps.*2.5 epochs of 4"):
        optimizer_of(section, steps_per_epoch=4, total_steps=10)
