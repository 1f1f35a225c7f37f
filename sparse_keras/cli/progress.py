"""Shows the progress of training: a line for each epoch."""

import textwrap
import time

import keras

from sparse_keras._internal import interrupts
from sparse_keras.layers.mixtures.gated_layer import gated_layers
from sparse_keras.models import active_params, total_params

# The logs that get a column if a model has them: before and after the metrics of validation.
_FIRST, _LAST = ("task_loss", "loss", "val_loss"), ("load_violation", "dropped")
# With several tasks, the first of these metrics that a task has.
_OF_A_TASK = ("auc", "accuracy", "rmse")


class EpochTable(keras.callbacks.Callback):
    """Prints the model's size when training starts, and a line at the end of each epoch.

    Args:
        console: A `rich.console.Console`.
    """

    def __init__(self, console):
        super().__init__()
        self.console = console
        self.columns = None
        self._warnings = []

    def warn(self, message):
        """Shows a warning below the line of this epoch."""
        self._warnings.append(message)

    def on_train_begin(self, logs=None):
        total, active = total_params(self.model), active_params(self.model)
        self.console.print(f"{total:,} parameters, {active:,} active\n")

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        interrupts.check()

    def on_epoch_end(self, epoch, logs=None):
        if self.columns is None:
            tasks = _names_of_outputs(self.model)
            validation = [] if tasks else [name for name in logs if name.startswith("val_")]
            columns = dict.fromkeys((*_FIRST, *validation, *_LAST))
            known = [name for name in columns if name in logs]
            for task in tasks:
                metrics = [f"val_{task}_{name}" for name in _OF_A_TASK]
                known += [name for name in metrics if name in logs][:1]
                known += [name for name in [f"{task}_weight"] if name in logs]
            # With a task loss, the loss including auxiliary losses is redundant; and without a
            # capacity, no assignment is dropped.
            without = {"loss"} if "task_loss" in known else set()
            if all(
                getattr(layer, "capacity_factor", None) is None
                for layer in gated_layers(self.model)
            ):
                without.add("dropped")
            self.columns = [name for name in known if name not in without]
            self._print("epoch", *self.columns, "seconds")
        seconds = time.perf_counter() - self.start
        values = [_number(logs[name]) for name in self.columns]
        self._print(f"{epoch + 1}/{self.params['epochs']}", *values, f"{seconds:.1f}")
        for message in self._warnings:
            self.console.print(f"warning: {message}", markup=False)
        self._warnings = []

    def show_samples(self, epoch, samples):
        """Shows what a language model wrote, below the line of its epoch."""
        for prompt, text in samples:
            self.console.print(f"\n  after {prompt!r}:", markup=False, soft_wrap=True)
            text = textwrap.indent(text, "  | ", lambda line: True)
            self.console.print(text, markup=False, soft_wrap=True)
        self.console.print()

    # A resumed training prints a new table.
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass

    def _print(self, first, *rest):
        widths = [max(len(name), 9) + 2 for name in (*self.columns, "seconds")]
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths, strict=True)]
        self.console.print(f"{first:>7}" + "".join(cells), soft_wrap=True)


def _number(value):
    """Formats a number with four decimals, or a large number with six significant digits."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"


def _names_of_outputs(model):
    """Returns the names of a model's tasks if it has several."""
    output = getattr(getattr(model, "core", model), "output", None)
    return list(output) if isinstance(output, dict) else []
