"""The best and the last epoch's weights, for files beside the model that training ends with."""

from collections.abc import Callable

import keras
import numpy as np

from sparse_keras.training.runs.folder import RunFolder


class BestAndLastWeights(keras.callbacks.Callback):
    """Remembers the weights of the best epoch and of the last one.

    Must come before callbacks that change weights when training ends, such as early stopping.

    Args:
        monitor: The log that decides which epoch is the best. `None` to remember only the last.
        mode: `"min"` or `"max"`, which value of `monitor` is the best.
    """

    def __init__(self, monitor: str | None = None, mode: str = "min"):
        super().__init__()
        self.monitor = monitor
        self.sign = 1.0 if mode == "min" else -1.0
        self.last_weights = None

    def on_train_begin(self, logs=None):
        self.best = np.inf
        self.best_weights = None
        self.is_last_best = True

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor is None:
            return
        value = self.sign * logs[self.monitor]
        self.is_last_best = value < self.best
        if self.is_last_best:
            self.best = value
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.last_weights = self.model.get_weights()

    def save_others(
        self, model: keras.Model, folder: RunFolder, tune: Callable[[], None] = lambda: None
    ) -> None:
        """Saves the weights that deserve a file beside the model's.

        These are the last epoch's, in `last.keras`, if the model ended with others; else the best
        epoch's, in `best.keras`, if that was an earlier one; else none.

        Args:
            model: The trained model, which is left as it is.
            folder: The folder of the run.
            tune: Tunes the threshold of the model for its weights.
        """
        threshold = getattr(model, "threshold", None)
        final = model.get_weights()
        if not all(map(np.array_equal, self.last_weights, final)):
            name, weights = "last.keras", self.last_weights
        elif self.best_weights is not None and not self.is_last_best:
            name, weights = "best.keras", self.best_weights
        else:
            return
        model.set_weights(weights)
        tune()
        folder.save_model(model, name)
        model.set_weights(final)
        if threshold is not None:
            model.threshold = threshold
