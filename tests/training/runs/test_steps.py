"""A training that broke within an epoch goes on there: the quick form, with a small eager model.

The whole way through `train`, with a process that is killed, is in `test_resuming.py`.
"""

import keras
import numpy as np
import pytest

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.data import ArrayBatches
from sparse_keras.layers import MixtureOfExperts, MLPExperts, TopKRouter
from sparse_keras.optimizers import FusedOptimizer
from sparse_keras.schema import Config
from sparse_keras.training.loop import early_stopping, fit
from sparse_keras.training.runs.best_and_last_weights import BestAndLastWeights
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.runs.lock import only_process
from sparse_keras.training.runs.resuming import Checkpoints

# 13 steps are two epochs of 5 steps and 3 more.
CONFIG = Config(
    version=1,
    model={"type": "dense_mlp", "hidden_dim": 8},
    training={
        "epochs": None,
        "steps": 13,
        "checkpoint_every": {"steps": 2},
        "early_stopping": {"patience": 1},
    },
)


class Break(Exception):
    """Ends a training like a kill, but for this process."""


class Means(keras.callbacks.Callback):
    """Remembers the losses within an epoch, and forgets them when another begins."""

    def __init__(self, break_at=None):
        super().__init__()
        self.break_at = break_at

    def on_epoch_begin(self, epoch, logs=None):
        self.now, self.losses = epoch, []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))
        if (self.now, batch) == self.break_at:
            raise Break

    def on_epoch_end(self, epoch, logs=None):
        logs["batches"], logs["mean"] = len(self.losses), float(np.mean(self.losses))


def batches(shuffle):
    x = np.random.default_rng(0).normal(size=(38, 4)).astype("float32")
    y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
    return ArrayBatches({"numeric": x}, y, batch_size=8, shuffle=shuffle)


def trained(folder, break_at=None):
    """Trains from the newest checkpoint; returns the state, and all that training changed."""
    keras.utils.set_random_seed(0)
    router = TopKRouter(k=2, jitter=0.1, balance_loss=0.01)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            MixtureOfExperts(MLPExperts(num_experts=4, hidden_dim=4), router=router),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 13)
    model.compile(
        FusedOptimizer(keras.optimizers.AdamW(schedule)),
        "binary_crossentropy",
        metrics=["accuracy"],
        run_eagerly=keras.backend.backend() != "jax",  # Where it is slow.
    )
    training, train = CONFIG.training, batches(shuffle=True)
    callbacks = [
        ExpertLoad(warn=False),
        BestAndLastWeights("val_loss"),
        early_stopping(training.early_stopping, "min"),
        Means(break_at),
    ]
    state = Checkpoints(RunFolder(folder), CONFIG, model, train, callbacks)
    start = state.epoch, state.batch
    fit(
        model,
        train,
        batches(shuffle=False),
        training,
        [*callbacks, state],
        epoch=start[0],
        batch=start[1],
        verbose=0,
    )
    variables = [*model.variables, *model.optimizer.variables]
    arrays = [keras.ops.convert_to_numpy(variable) for variable in variables]
    return start, state.rows, arrays, callbacks[1].best_weights


def test_broken_within_an_epoch(tmp_path):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    _, rows, arrays, best = trained(tmp_path / "whole")
    assert [row["batches"] for row in rows] == [5, 5, 3]
    with pytest.raises(Break):
        trained(tmp_path / "broken", break_at=(1, 3))
    checkpoints = sorted(path.name for path in (tmp_path / "broken/checkpoints").glob("*.npz"))
    # Steps 6 and 8; the ninth is lost.
    names = ["epoch_000001_batch_000000001.npz", "epoch_000001_batch_000000003.npz"]
    assert checkpoints == names
    start, rows_again, arrays_again, best_again = trained(tmp_path / "broken")
    assert start == (1, 3)
    assert rows_again == rows
    for again, expected in ((arrays_again, arrays), (best_again, best)):
        for array, other in zip(again, expected, strict=True):
            np.testing.assert_array_equal(array, other)
    history = [(tmp_path / name / "history.csv").read_text() for name in ("whole", "broken")]
    assert history[0] == history[1]


def test_one_process_at_a_time(tmp_path):
    with only_process(tmp_path), pytest.raises(ValueError, match="Another process"):
        with only_process(tmp_path):
            pass
    with only_process(tmp_path):
        pass
