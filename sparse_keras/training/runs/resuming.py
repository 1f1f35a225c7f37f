"""The state of a training: what is in a checkpoint, and how it is put back.

Everything that the next step depends on is either in here or a function of (config, epoch, batch):
the rows of the batch (`data/batches.py`), and the learning rate (of the optimizer's step count).
What draws from the global generator of TensorFlow while training is not.

Within an epoch there is more to put back than after one: the metrics of the epoch so far, and what
callbacks reset when an epoch begins.
"""

import time
import warnings

import keras
import numpy as np

from sparse_keras.training.runs.callback_state import attributes, numbered, restore, state_of
from sparse_keras.training.runs.checkpoints import newest_checkpoint, write_checkpoint
from sparse_keras.training.runs.folder import RunFolder
from sparse_keras.training.runs.random_state import random_state, restore_random_state


class Checkpoints(keras.callbacks.Callback):
    """Writes checkpoints, and `history.csv` at the end of each epoch; resumes from the newest one.

    A checkpoint is written after every so many steps or epochs, and when training ends. One that
    falls on an epoch's last step is written after its validation.

    Must be the last callback: the others then have seen the epoch, and their `on_train_begin`,
    which resets them, comes before their state is put back.

    Args:
        folder: The folder of the run.
        config: The run's `Config`.
        model: The compiled model, which gets the weights and the optimizer's state of the newest
            checkpoint that can be used, if there is one.
        batches: The batches to train on.
        callbacks: The callbacks before this one.

    Attributes:
        history: Dict from each log's name to its values, one for each epoch.
        epoch: Number of finished epochs.
        batch: Number of finished batches of the epoch after these.
        rows: The logs of each finished epoch, a list of dicts.
        stopped: Whether the training was stopped early.
        seconds: Seconds that it took so far, without the pauses between its parts.
    """

    def __init__(
        self,
        folder: RunFolder,
        config,
        model: keras.Model,
        batches: keras.utils.PyDataset,
        callbacks: list[keras.callbacks.Callback],
    ):
        super().__init__()
        self.folder = folder
        self.config_hash = config.hash
        every = config.training.checkpoint_every
        self.every_epochs = 1 if every is None else every.epochs
        self.every_steps = None if every is None else every.steps
        self.steps_per_epoch = len(batches)
        self.callbacks = numbered(callbacks)
        self.epoch, self.batch, self.rows, self.stopped, self.seconds = 0, 0, [], False, 0.0
        self._checkpoint = newest_checkpoint(
            folder.checkpoints, lambda checkpoint: self._check(checkpoint, model, batches)
        )
        if self._checkpoint is not None:
            self._restore_variables(model)
            self.epoch, self.batch = self._checkpoint["epoch"], self._checkpoint["batch"]
            self.rows, self.stopped = self._checkpoint["rows"], self._checkpoint["stopped"]
            self.seconds = self._checkpoint["seconds"]
        self._start = time.perf_counter() - self.seconds

    @property
    def history(self):
        """Dict from each log's name to its values."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row[name] for row in self.rows if name in row] for name in names}

    def on_train_begin(self, logs=None):
        self._before = {name: attributes(callback) for name, callback in self.callbacks.items()}
        self._is_due = False
        if self._checkpoint is not None:
            for name in self._checkpoint["callbacks"].keys() - self.callbacks.keys():
                if self._checkpoint["callbacks"][name]:
                    warnings.warn(
                        f"The run was trained with the callback {name}, whose state is in its "
                        "checkpoint. Training resumes without it.",
                        stacklevel=1,  # Its caller is Keras.
                    )
            self._restore_callbacks()
        self.folder.write_history(self.rows)

    def on_epoch_begin(self, epoch, logs=None):
        if self._checkpoint is not None and self.batch:
            # Keras has reset the metrics, and callbacks may have changed anything.
            self._restore_variables(self.model)
            self._restore_callbacks()

    def on_train_batch_begin(self, batch, logs=None):
        if self._checkpoint is not None:
            if self.batch:  # PyTorch's loader of batches draws a number when an epoch begins.
                restore_random_state(self._checkpoint["random_state"])
            self._checkpoint = None  # It is not needed any more, and may be large.

    def on_train_batch_end(self, batch, logs=None):
        before, self.batch = self.batch, min(batch + 1, self.steps_per_epoch)
        if self.every_steps is None:
            return
        steps = self.epoch * self.steps_per_epoch
        # With several steps per execution, one may be jumped over.
        self._is_due = (steps + self.batch) // self.every_steps > (steps + before) // (
            self.every_steps
        )
        ends = self.batch == self.steps_per_epoch or self.model.stop_training
        if self._is_due and not ends:
            if keras.backend.backend() == "jax":  # Its `fit` keeps the state outside of variables.
                self.model.jax_state_sync()
            self._write()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch, self.batch = epoch + 1, 0
        self.rows.append({name: float(value) for name, value in (logs or {}).items()})
        self.stopped = self.model.stop_training
        if self.every_epochs is not None:
            self._is_due = self.epoch % self.every_epochs == 0
        last = self.stopped or self.epoch == self.params["epochs"]
        # Weights that are not numbers are no state to resume from.
        if (self._is_due or last) and np.isfinite(self.rows[-1].get("loss", 0.0)):
            self._write()
        self.folder.write_history(self.rows)

    def on_train_end(self, logs=None):
        self.seconds = time.perf_counter() - self._start

    def _write(self):
        self._is_due = False
        self.seconds = time.perf_counter() - self._start
        content = {
            "config_hash": self.config_hash,
            "epoch": self.epoch,
            "batch": self.batch,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "rows": self.rows,
            "random_state": random_state(),
            "callbacks": {
                name: state_of(callback, self._before[name])
                for name, callback in self.callbacks.items()
            },
            **{
                name: [keras.ops.convert_to_numpy(variable) for variable in variables]
                for name, variables in _variables(self.model, self.batch).items()
            },
        }
        write_checkpoint(self.folder.checkpoints, content, self.epoch, self.batch)

    def _restore_variables(self, model):
        for name, variables in _variables(model, self._checkpoint["batch"]).items():
            for variable, array in zip(variables, self._checkpoint[name], strict=True):
                variable.assign(array)

    def _restore_callbacks(self):
        for name, callback in self.callbacks.items():
            if name in self._checkpoint["callbacks"]:
                restore(callback, self._checkpoint["callbacks"][name])
        restore_random_state(self._checkpoint["random_state"])

    def _check(self, checkpoint, model, batches):
        if checkpoint["config_hash"] != self.config_hash:
            raise ValueError("it is of another config.")
        if checkpoint["batch"]:
            _build_metrics(model, batches[0])
        for name, variables in _variables(model, checkpoint["batch"]).items():
            expected = [
                (tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype))
                for variable in variables
            ]
            received = [(array.shape, array.dtype.name) for array in checkpoint[name]]
            if expected != received:
                raise ValueError(
                    f"expected {name} variables of (shape, dtype) {expected}. Received: {received}."
                )


def _variables(model, batch):
    """All that a step changes; `model.variables` has the states of random generators, too.

    Metrics start anew in each epoch, so that they count only within one, after some batch.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = {"model": model.variables, "optimizer": model.optimizer.variables}
    if batch:
        variables["metrics"] = [
            variable for metric in model.metrics for variable in metric.variables
        ]
    return variables


def _build_metrics(model, batch):
    """Makes the variables of metrics, which Keras does not before it computes them."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    y_pred = model(x, training=False)
    model.compute_loss(x, y, y_pred, sample_weight, training=False)
    model.compute_metrics(x, y, y_pred, sample_weight)
    model.reset_metrics()
