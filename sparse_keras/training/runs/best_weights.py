"""The weights of a training that its model may not end with: the best epoch's, and the last's."""

import keras
import numpy as np


class KeptWeights(keras.callbacks.Callback):
    """Keeps weights for files beside the model's own.

    Must come before callbacks that change weights when training ends, as early stopping does.

    Args:
        monitor: The log by which an epoch is the best, whose weights are kept; None for no such.
        mode: "min" or "max", what is best.
    """

    def __init__(self, monitor=None, mode="min"):
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

    def others(self, final):
        """What is worth a file of its own.

        Args:
            final: List of arrays, the weights that the model ended with.

        Returns:
            A dict from the file's name to weights: the last epoch's if the model ended with others;
            or else the best epoch's if that was another. Empty if neither.
        """
        same = all(map(np.array_equal, self.last_weights, final))
        if not same:
            return {"last.keras": self.last_weights}
        if self.best_weights is not None and not self.is_last_best:
            return {"best.keras": self.best_weights}
        return {}
