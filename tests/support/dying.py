"""A training in a process of its own that kills itself, as SIGKILL does: without a last word.

    python -m tests.support.dying '{"output": "runs", "batch": [3, 2]}'

Keys: `output` or `resume` as in `train`; `overrides`: of the config; `batch`: [epoch, batch] after
which it dies; `writing`: name of the checkpoint during whose writing it dies; `state`: a file to
write the final state to.
"""

import json
import os
import signal
import sys

import keras
import numpy as np

import sparse_keras
from sparse_keras._internal import atomic

CONFIG = "tabular/sparse_mlp_breast_cancer"
# All that draws at random, and all that has a state.
OVERRIDES = {
    "model.experts.dropout": "0.2",
    "model.router": "{type: top_k, k: 2, jitter: 0.1}",
    "optimizer": "{type: adamw, learning_rate: 3e-3, schedule: {type: cosine, warmup_epochs: 1}}",
    "training.epochs": "6",
    "training.batch_size": "64",
    "training.early_stopping": "{monitor: val_loss, patience: 2}",
}


def load_config(overrides=()):
    """The config, with a dict of more overrides."""
    merged = OVERRIDES | dict(overrides)
    return sparse_keras.load_config(CONFIG, [f"{path}={value}" for path, value in merged.items()])


def final_state(run):
    """Everything that two trainings to compare must have in common, as a dict of arrays."""
    variables = [*run.model.variables, *run.model.optimizer.variables]
    state = {str(number): keras.ops.convert_to_numpy(one) for number, one in enumerate(variables)}
    logs = {f"log {name}": np.array(values) for name, values in run.history.items()}
    return state | logs | {f"test {name}": np.array(one) for name, one in run.metrics.items()}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class DieAfter(keras.callbacks.Callback):
    """Kills the process after a batch of an epoch, both counted from 1."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch + 1) == self.at:
            die()


def die_while_writing(name):
    """Kills the process when a checkpoint is written, but has not got its name."""
    replace = os.replace

    def replace_or_die(source, target):
        if target.name == name:
            die()
        replace(source, target)

    atomic.os.replace = replace_or_die


def main(arguments):
    config = load_config(arguments.get("overrides", ()))
    callbacks = [DieAfter(*arguments["batch"])] if "batch" in arguments else []
    if "writing" in arguments:
        die_while_writing(arguments["writing"])
    run = sparse_keras.train(
        config,
        output=arguments.get("output"),
        resume=arguments.get("resume"),
        callbacks=callbacks,
        verbose=0,
    )
    np.savez(arguments["state"], **final_state(run))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
