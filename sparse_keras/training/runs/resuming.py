"""The state of a training after an epoch: what is in a checkpoint, and how it is put back.

Everything that the next epoch depends on is either in here or a function of (config, epoch): the
order of the rows (`data.ArrayBatches`), and the learning rate (of the optimizer's step count). What
draws from the global generator of TensorFlow while training is not.
"""

import time
import warnings

import keras

from sparse_keras.training.runs.callback_state import attributes, numbered, restore, state_of
from sparse_keras.training.runs.checkpoints import newest_checkpoint, write_checkpoint
from sparse_keras.training.runs.folder import CHECKPOINTS, write_history
from sparse_keras.training.runs.random_state import random_state, restore_random_state


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint and `history.csv` at the end of each epoch, and resumes from one.

    Must be the last callback: the others then have seen the epoch, and their `on_train_begin`,
    which resets them, comes before their state is put back.

    Args:
        folder: The run's folder.
        config: The run's `Config`.
        model: The compiled model, which gets the weights and the optimizer's state of the newest
            checkpoint in order, if there is one.
        callbacks: The callbacks before this one.

    Attributes:
        epoch: Number of finished epochs.
        rows: The logs of each, a list of dicts.
        stopped: Whether the training was stopped early.
        seconds: Seconds that it took so far, without the pauses between its parts.
    """

    def __init__(self, folder, config, model, callbacks):
        super().__init__()
        self.folder = folder
        self.config_hash = config.hash
        self.callbacks = numbered(callbacks)
        self.epoch, self.rows, self.stopped, self.seconds = 0, [], False, 0.0
        self._states, self._random_state = {}, None
        found = newest_checkpoint(folder / CHECKPOINTS, lambda found: self._check(found, model))
        if found is not None:
            for name, variables in _variables(model).items():
                for variable, array in zip(variables, found[name], strict=True):
                    variable.assign(array)
            self.epoch, self.rows = found["epoch"], found["rows"]
            self.stopped, self.seconds = found["stopped"], found["seconds"]
            self._states = found["callbacks"]
            self._random_state = found["random_state"]
        self._start = time.perf_counter() - self.seconds

    @property
    def history(self):
        """Dict from each log's name to its values."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row[name] for row in self.rows if name in row] for name in names}

    def on_train_begin(self, logs=None):
        self._before = {name: attributes(one) for name, one in self.callbacks.items()}
        for name, state in self._states.items():
            if name in self.callbacks:
                restore(self.callbacks[name], state)
            elif state:
                warnings.warn(
                    f"The run was trained with the callback {name}, whose state is in its "
                    "checkpoint. It goes on without.",
                    stacklevel=2,
                )
        if self._random_state is not None:
            restore_random_state(self._random_state)
        write_history(self.folder, self.rows)

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch + 1
        self.rows.append({name: float(value) for name, value in (logs or {}).items()})
        self.stopped = self.model.stop_training
        self.seconds = time.perf_counter() - self._start
        write_checkpoint(
            self.folder / CHECKPOINTS,
            self.epoch,
            {
                "config_hash": self.config_hash,
                "epoch": self.epoch,
                "seconds": self.seconds,
                "stopped": self.stopped,
                "rows": self.rows,
                "random_state": random_state(),
                "callbacks": {
                    name: state_of(one, self._before[name]) for name, one in self.callbacks.items()
                },
                **{
                    name: [keras.ops.convert_to_numpy(variable) for variable in variables]
                    for name, variables in _variables(self.model).items()
                },
            },
        )
        write_history(self.folder, self.rows)

    def on_train_end(self, logs=None):
        self.seconds = time.perf_counter() - self._start

    def _check(self, found, model):
        if found["config_hash"] != self.config_hash:
            raise ValueError("It is of another config.")
        for name, variables in _variables(model).items():
            expected = [
                (tuple(one.shape), keras.backend.standardize_dtype(one.dtype)) for one in variables
            ]
            received = [(array.shape, array.dtype.name) for array in found[name]]
            if expected != received:
                raise ValueError(
                    f"Its {name} variables are not those of this training: expected (shape, dtype) "
                    f"{expected}. Received: {received}."
                )


def _variables(model):
    """All that a step changes; `model.variables` has the states of random generators, too."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return {"model": model.variables, "optimizer": model.optimizer.variables}
