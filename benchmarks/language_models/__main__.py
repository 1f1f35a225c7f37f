"""Trains a language model and its dense twins for some seeds, and writes their losses.

    python -m benchmarks.language_models --seeds 3

Each model of a seed sees the same tokens in the same order; initial scale, gating and learning rate
are the same. What was measured before with the same config stays, so that a measurement that was
interrupted goes on.
"""

import argparse
import json
import pathlib
import tempfile
import time

import keras

import sparse_keras
from sparse_keras.evaluation.compare import with_seed
from sparse_keras.evaluation.machine import machine
from sparse_keras.models import active_params, flops_per_example, total_params

RESULT = pathlib.Path(__file__).resolve().parents[2] / "results" / "language_models" / "cpu.json"
CONFIG = "text/causal_lm_writings"
MODELS = {
    "moe": lambda config, data: config,
    "equal_flops": lambda config, data: sparse_keras.dense_twin(config, data),
    "equal_params": lambda config, data: sparse_keras.dense_twin(config, data, "total_params"),
}


class Clock(keras.callbacks.Callback):
    """Seconds of training, validation left out, until the end of each epoch: those of the clock,
    and those that processors worked, which other programs disturb less."""

    def __init__(self):
        super().__init__()
        self.seconds, self.cpu_seconds, self._spent = [], [], [0.0, 0.0]

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter(), time.process_time()

    def on_test_begin(self, logs=None):
        self._stop()

    def _stop(self):
        now = time.perf_counter(), time.process_time()
        for n in range(2):
            self._spent[n] += now[n] - self._start[n]
        self._start = now

    def on_test_end(self, logs=None):
        self._start = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self._stop()
        self.seconds.append(self._spent[0])
        self.cpu_seconds.append(self._spent[1])


def measure(config, data):
    """Trains a config. Returns its costs, and the losses of validation after each epoch."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        run = sparse_keras.train(config, data, output=folder, callbacks=[clock], verbose=0)
        network = run.model.core
        epochs = len(run.history["val_loss"])
        return {
            "costs": {
                "params": total_params(network),
                "active_params": active_params(network),
                "flops_per_token": flops_per_example(network) / network.context_length,
                "hidden_dim": config.model.hidden_dim,
            },
            "steps": [(n + 1) * config.training.steps_per_epoch for n in range(epochs)],
            "val_loss": run.history["val_loss"],
            "seconds": clock.seconds,
            "cpu_seconds": clock.cpu_seconds,
            "test": run.metrics,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=CONFIG)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--output", type=pathlib.Path, default=RESULT)
    arguments = parser.parse_args()
    config = sparse_keras.load_config(arguments.config, arguments.overrides)
    content = {"config": config.name, "config_hash": config.hash, "runs": {}}
    if arguments.output.is_file():
        before = json.loads(arguments.output.read_text(encoding="utf-8"))
        if before["config_hash"] == config.hash:
            content = before
    content["machine"] = machine()
    content["tokens_per_step"] = config.training.batch_size * config.data.context_length
    for seed in range(arguments.seeds):
        seeded = with_seed(config, seed)
        data = sparse_keras.load_data(seeded)
        content["data"] = repr(data)
        for name in arguments.models.split(","):
            of_model = content["runs"].setdefault(name, {})
            if str(seed) in of_model:
                continue
            of_model[str(seed)] = measure(MODELS[name](seeded, data), data)
            print(name, seed, of_model[str(seed)]["val_loss"], flush=True)
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            arguments.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
