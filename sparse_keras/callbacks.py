"""Callbacks that show what the routers do."""

import warnings

import keras
import numpy as np

from sparse_keras.layers import MixtureOfExperts


@keras.saving.register_keras_serializable(package="sparse_keras")
class ExpertLoad(keras.callbacks.Callback):
    """Reports the experts' load at the end of each epoch, in the logs of `fit`.

    The logs go where all logs go: History, the progress bar, CSVLogger, TensorBoard. Put this
    callback before others that read them. By default there are four:

    * `load_violation`: largest expert load over mean load, minus 1, of the worst layer. 0 is
      perfect balance.
    * `dropped`: share of assignments dropped for want of capacity, over all layers.
    * `aux_loss`: the auxiliary losses of the routers as they entered the loss, summed over layers.
    * `task_loss`: `loss - aux_loss`, which compares with `val_loss`: auxiliary losses are added in
      training only.

    Args:
        per_layer: Whether to log `<layer>/load_violation`, `dropped`, `dead`, `experts_per_token`,
            `entropy` and the unweighted auxiliary losses too.
        per_expert: Whether to log `<layer>/load_<expert>`, each expert's share, too.

    A model without a MixtureOfExperts gets a warning and no logs.

    Example:

    >>> model = keras.Sequential(
    ...     [sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(1), num_experts=4)]
    ... )
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
    >>> history = model.fit(x, y, callbacks=[sparse_keras.callbacks.ExpertLoad()], verbose=0)
    >>> sorted(history.history)
    ['aux_loss', 'dropped', 'load_violation', 'loss', 'task_loss']
    """

    def __init__(self, per_layer=False, per_expert=False):
        super().__init__()
        self.per_layer = per_layer
        self.per_expert = per_expert

    def on_train_begin(self, logs=None):
        if not mixtures(self.model):
            warnings.warn(
                f"ExpertLoad found no MixtureOfExperts in the model {self.model.name!r}.",
                stacklevel=2,
            )

    def on_epoch_begin(self, epoch, logs=None):
        for layer in mixtures(self.model):
            layer.reset_statistics()

    def on_epoch_end(self, epoch, logs=None):
        layers = mixtures(self.model)
        if logs is None or not layers:
            return
        found = [layer.routing_statistics() for layer in layers]
        logs["load_violation"] = max(one["load_violation"] for one in found)
        logs["dropped"] = float(np.mean([one["dropped"] for one in found]))
        logs["aux_loss"] = float(sum(one["aux_loss"] for one in found))
        if "loss" in logs:
            logs["task_loss"] = logs["loss"] - logs["aux_loss"]
        for layer, one in zip(layers, found, strict=True):
            logs.update(self._of_layer(layer, one))

    def _of_layer(self, layer, found):
        logs = {}
        load = found.pop("load")
        if self.per_layer:
            found.pop("aux_loss")
            logs.update({f"{layer.path}/{name}": value for name, value in found.items()})
        if self.per_expert:
            logs.update({f"{layer.path}/load_{e}": float(share) for e, share in enumerate(load)})
        return logs

    def get_config(self):
        return {"per_layer": self.per_layer, "per_expert": self.per_expert}


def mixtures(model):
    """All MixtureOfExperts layers of a model, however deep."""
    return [
        layer
        for layer in model._flatten_layers(include_self=True, recursive=True)
        if isinstance(layer, MixtureOfExperts)
    ]
