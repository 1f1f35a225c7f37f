"""Callbacks that show what the routers do, and how much each task counts."""

import pathlib
import warnings

import keras
import numpy as np

from sparse_keras.callbacks.tensorboard import RoutingWriter, check_installed
from sparse_keras.layers.mixtures.causality import warn_of_leak
from sparse_keras.layers.mixtures.mixture import mixtures
from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning, routing_problems, warn

__all__ = ["ExpertLoad", "RoutingWarning", "TaskWeightLogs"]

# What is logged of all layers together; of each, less is better.
LOGS = ("load_violation", "dropped", "aux_loss", "task_loss")
_PER_LAYER = ("load_violation", "dropped", "dead", "experts_per_token", "entropy")


@keras.saving.register_keras_serializable(package="sparse_keras")
class ExpertLoad(keras.callbacks.Callback):
    """Reports the experts' load at the end of each epoch, in the logs of `fit`.

    The logs go where all logs go: History, the progress bar, CSVLogger, TensorBoard. Put this
    callback before others that read them. By default there are four:

    * `load_violation`: largest expert load over mean load, minus 1, of the worst layer. 0 is
      perfect balance.
    * `dropped`: share of assignments dropped for want of capacity, over all layers.
    * `aux_loss`: the auxiliary losses of the routers as they entered the loss, over all layers.
    * `task_loss`: `loss - aux_loss`, which compares with `val_loss`: auxiliary losses are added in
      training only.

    At the end of an epoch it also warns, with a `RoutingWarning`, once for each layer and kind:

    * of collapse: about K of the E experts take everything, for each token the same;
    * of dead experts, to which no token of the epoch went;
    * of dropped assignments, if there are many;
    * of gates that open no expert at all.

    A layer that saw fewer than ten assignments for each expert is not judged.

    A MultiGateMixtureOfExperts logs what it has as `<layer>/<gate>/...`, for each gate, and counts
    as so many layers.

    A model without a mixture of experts gets a warning and no logs.

    Args:
        per_layer: Whether to log `<layer>/load_violation`, `dropped`, `dead`, `experts_per_token`,
            `entropy` and the unweighted auxiliary losses too.
        per_expert: Whether to log `<layer>/load_<expert>`, each expert's share, too.
        warn: Whether to warn at all.
        collapse_above: Where collapse begins: 0 is an even load, 1 that K experts take everything.
            For K = 1 that is `load_violation / (E - 1)`. `None` leaves this warning out.
        dropped_above: The share of dropped assignments above which to warn. `None` leaves this
            warning out.
        log_dir: A folder for TensorBoard: scalars of each layer, and the load of its experts as a
            histogram whose bar e is expert e, on every backend. They go to the run `experts` in
            it, beside `train` and `validation` of `keras.callbacks.TensorBoard(log_dir)`.

    Raises:
        ValueError: If a threshold is not between 0 and 1, or if there is a `log_dir` and
            `tensorboard` is not installed.

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

    def __init__(
        self,
        per_layer=False,
        per_expert=False,
        warn=True,
        collapse_above=0.7,
        dropped_above=0.1,
        log_dir=None,
    ):
        super().__init__()
        for name, value in (("collapse_above", collapse_above), ("dropped_above", dropped_above)):
            if value is not None and not 0.0 < value < 1.0:
                raise ValueError(f"`{name}` must be None or between 0 and 1. Received: {value!r}.")
        self.per_layer = per_layer
        self.per_expert = per_expert
        self.warn = warn
        self.collapse_above = collapse_above
        self.dropped_above = dropped_above
        self.log_dir = None if log_dir is None else str(log_dir)
        if log_dir is not None:
            check_installed()
        self._told = []

    def on_train_begin(self, logs=None):
        self._told = []
        self._writer = None
        if not mixtures(self.model):
            warnings.warn(
                f"ExpertLoad found no MixtureOfExperts in the model {self.model.name!r}.",
                stacklevel=2,
            )
        elif self.log_dir is not None:
            self._writer = RoutingWriter(pathlib.Path(self.log_dir, "experts"))
        for layer in mixtures(self.model):
            warn_of_leak(layer, [self.model])

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = 0
        for layer in mixtures(self.model):
            layer.reset_statistics()

    def on_train_batch_end(self, batch, logs=None):
        self._steps = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        layers = mixtures(self.model)
        if logs is None or not layers:
            return
        gates = [(layer, *gate) for layer in layers for gate in layer.recorded()]
        found = [summary for *_, summary in gates]
        assigned = sum(one["assigned"] for one in found)
        dropped = assigned - sum(one["kept"] for one in found)
        # A layer that got no token has nothing to say. `fmax` listens to the others.
        violations = [one["load_violation"] for one in found]
        logs["load_violation"] = float(np.fmax.reduce(violations))
        logs["dropped"] = dropped / assigned if assigned else np.nan
        # A layer shared within the model adds its losses once for each call in a step.
        losses = [one["aux_loss"] * one["calls"] / max(self._steps, 1) for one in found]
        logs["aux_loss"] = float(np.nansum(losses))
        if "loss" in logs:
            logs["task_loss"] = logs["loss"] - logs["aux_loss"]
        for layer, path, router, one in gates:
            logs.update(self._of_gate(path, router, one))
            if self._writer is not None:
                self._writer.write(path, one, (*_PER_LAYER, *router.loss_names), epoch)
            if self.warn:
                self._judge(layer, path, router, one, epoch)
        if self._writer is not None:
            self._writer.flush()

    def to_minimize(self, model):
        """Names of the logs of a built model of which less is better, for `EarlyStopping`.

        The entropy, the number of experts and their shares are neither good nor bad by themselves.
        """
        names = [*LOGS]
        if self.per_layer:
            for layer in mixtures(model):
                for path, router, _ in layer.recorded():
                    better = ("load_violation", "dropped", "dead", *router.loss_names)
                    names += [f"{path}/{name}" for name in better]
        return names

    def _judge(self, layer, path, router, found, epoch):
        """Warns of what is wrong with a gate, unless that was said before."""
        problems = routing_problems(
            found,
            router,
            gate=f"The mixture of experts {path!r}",
            when=f"in epoch {epoch + 1}",
            capacity=getattr(layer, "capacity_factor", None),
            collapse_above=self.collapse_above,
            dropped_above=self.dropped_above,
        )
        for kind, sentence in problems.items():
            # A list of strings: a resumed run keeps of a callback what is plain, and a set is not.
            if f"{path}: {kind}" not in self._told:
                self._told = [*self._told, f"{path}: {kind}"]
                warn(sentence)

    def _of_gate(self, path, router, found):
        logs = {}
        load = found["load"]
        if self.per_layer:
            names = (*_PER_LAYER, *router.loss_names)
            logs.update({f"{path}/{name}": found[name] for name in names})
        if self.per_expert:
            logs.update({f"{path}/load_{e}": float(share) for e, share in enumerate(load)})
        return logs

    def get_config(self):
        return {
            "per_layer": self.per_layer,
            "per_expert": self.per_expert,
            "warn": self.warn,
            "collapse_above": self.collapse_above,
            "dropped_above": self.dropped_above,
            "log_dir": self.log_dir,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="sparse_keras")
class TaskWeightLogs(keras.callbacks.Callback):
    """Reports how much each task counts, in the logs of `fit`, where that is learned.

    At the end of each epoch, `<task>_weight` is the factor of the task's loss. A model without
    such weights gets a warning and no logs.

    Example:

    >>> x, y = keras.Input((2,)), {}
    >>> for task in ("a", "b"):
    ...     y[task] = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dense(4)(x))
    >>> y = sparse_keras.models.UncertaintyWeights({"a": "binary", "b": "binary"})(y)
    >>> model = sparse_keras.models.MultiTaskModel(x, y)
    >>> model.compile("sgd", {task: keras.losses.BinaryCrossentropy() for task in ("a", "b")})
    >>> ones = np.ones((8, 2), "float32"), {"a": np.ones(8), "b": np.ones(8)}
    >>> callback = sparse_keras.callbacks.TaskWeightLogs()
    >>> history = model.fit(*ones, callbacks=[callback], verbose=0)
    >>> sorted(history.history)
    ['a_loss', 'a_weight', 'b_loss', 'b_weight', 'loss']
    """

    def on_train_begin(self, logs=None):
        if self._layer() is None:
            warnings.warn(
                f"TaskWeightLogs found no learned weights in the model {self.model.name!r}.",
                stacklevel=2,
            )

    def on_epoch_end(self, epoch, logs=None):
        layer = self._layer()
        if logs is not None and layer is not None:
            weights = layer.task_weights()
            logs.update({f"{task}_weight": float(value) for task, value in weights.items()})

    def _layer(self):
        return getattr(self.model, "task_weights_layer", None)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
