"""ExpertLoad: a callback that logs how the routers spread tokens over experts."""

import os
import pathlib
import warnings
import weakref
from typing import Any

import keras
import numpy as np

from sparse_keras._internal import keras_private
from sparse_keras._internal.strategy import num_replicas, strategy_scope
from sparse_keras.callbacks.tensorboard import RoutingWriter, check_installed
from sparse_keras.layers.mixtures.causality import warn_of_leak
from sparse_keras.layers.mixtures.gated_layer import SPARSIFY_FIRST, GatedLayer, gated_layers
from sparse_keras.layers.mixtures.routing_warnings import routing_problems, warn
from sparse_keras.layers.routers.contract import RouterContract

# What is logged of all layers together; of each, less is better.
LOGS = ("load_violation", "dropped", "aux_loss", "task_loss")
# Models whose training step was compiled when their layers counted already.
_COUNTING: weakref.WeakSet = weakref.WeakSet()
_PER_LAYER = ("load_violation", "dropped", "dead", "experts_per_token", "entropy")


@keras.saving.register_keras_serializable(package="sparse_keras")
class ExpertLoad(keras.callbacks.Callback):
    """Reports the experts' load at the end of each epoch, in the logs of `fit`.

    The logs go where all logs go: History, the progress bar, CSVLogger, TensorBoard. Put this
    callback before others that read them. By default there are four:

    * `load_violation`: largest expert load over mean load, minus 1, of the worst layer. 0 is
      perfect balance.
    * `dropped`: share of assignments dropped because their expert was full, over all layers.
    * `aux_loss`: the auxiliary losses of the routers as they entered the loss, over all layers.
    * `task_loss`: `loss - aux_loss`, which compares with `val_loss`: auxiliary losses are added in
      training only.

    At the end of an epoch it also warns, with a `RoutingWarning`, once for each layer and kind:

    * of collapse: the same K or so of the E experts get almost all tokens;
    * of dead experts, which got no token in the epoch;
    * of dropped assignments, if there are many;
    * of gates that open no expert at all.

    There are no warnings of collapse and dead experts for a layer with fewer than ten assignments
    per expert.

    Each gate of a MultiGateMixtureOfExperts counts as one layer, and is logged as
    `<layer>/<gate>/...`.

    A model without a mixture of experts gets a warning and no logs.

    Args:
        per_layer: Whether to log `<layer>/load_violation`, `dropped`, `dead`, `experts_per_token`,
            `entropy` and each auxiliary loss of the router, unweighted, too. The losses are those
            in the router's `loss_names` when its layer is built.
        per_expert: Whether to log `<layer>/load_<expert>`, each expert's share, too.
        warn: Whether to warn at all.
        collapse_above: The concentration of the load above which to warn of collapse: 0 is an even
            load, and 1 means that K experts get all tokens. For K = 1 it is
            `load_violation / (E - 1)`. `None` turns this warning off.
        dropped_above: The share of dropped assignments above which to warn. `None` turns this
            warning off.
        log_dir: A folder for TensorBoard, or `None`. It gets scalars of each layer, and the load of
            its experts as a histogram whose bar e is expert e, in the run `experts`, beside the
            runs `train` and `validation` of `keras.callbacks.TensorBoard(log_dir)`.

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
        per_layer: bool = False,
        per_expert: bool = False,
        warn: bool = True,
        collapse_above: float | None = 0.7,
        dropped_above: float | None = 0.1,
        log_dir: str | os.PathLike | None = None,
    ) -> None:
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
        self._warned = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._warned = []
        self._writer = None
        if not gated_layers(self.model):
            warnings.warn(
                f"ExpertLoad found no mixture of experts in the model {self.model.name!r}. "
                f"{SPARSIFY_FIRST}",
                stacklevel=2,
            )
        elif self.log_dir is not None:
            self._writer = RoutingWriter(pathlib.Path(self.log_dir, "experts"))
        self._begin_statistics()
        for layer in gated_layers(self.model):
            warn_of_leak(layer, [self.model])
            if self.per_layer or self.log_dir is not None:
                _warn_of_late_losses(layer)

    def _begin_statistics(self) -> None:
        """Makes all layers count what they route; those of KerasHub do not from the beginning."""
        with strategy_scope(self.model):
            new = [layer.begin_statistics() for layer in gated_layers(self.model)]
        late = any(layer.counts_on_demand for layer in gated_layers(self.model))
        if any(new) or (late and self.model not in _COUNTING):
            keras_private.forget_compiled(self.model)
            self.model.make_train_function()
            _COUNTING.add(self.model)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps = 0
        for layer in gated_layers(self.model):
            layer.reset_statistics()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        layers = gated_layers(self.model)
        if logs is None or not layers:
            return
        gates = [(layer, *gate) for layer in layers for gate in layer.recorded()]
        summaries = [summary for *_, summary in gates]
        assigned = sum(summary["assigned"] for summary in summaries)
        dropped = assigned - sum(summary["kept"] for summary in summaries)
        # A layer that got no token has a violation of NaN, which `fmax` skips.
        violations = [summary["load_violation"] for summary in summaries]
        logs["load_violation"] = float(np.fmax.reduce(violations))
        logs["dropped"] = dropped / assigned if assigned else np.nan
        # A layer shared within the model adds its losses once for each call in a step.
        steps = max(self._steps, 1) * num_replicas(self.model)
        losses = [summary["aux_loss"] * summary["calls"] / steps for summary in summaries]
        logs["aux_loss"] = float(np.nansum(losses))
        if "loss" in logs:
            logs["task_loss"] = logs["loss"] - logs["aux_loss"]
        for layer, path, router, summary in gates:
            logs.update(self._logs_of_gate(path, router, summary))
            if self._writer is not None:
                names = (*_PER_LAYER, *_recorded_losses(router, summary))
                self._writer.write(path, summary, names, epoch)
            if self.warn:
                self._judge(layer, path, router, summary, epoch)
        if self._writer is not None:
            self._writer.flush()

    def to_minimize(self, model: keras.Model) -> list[str]:
        """Lists the logs of a built model that are better when they are lower.

        They can be monitored by `keras.callbacks.EarlyStopping`. The entropy, the number of experts
        per token and the shares of experts are not among them.
        """
        names = [*LOGS]
        if self.per_layer:
            for layer in gated_layers(model):
                for path, router, summary in layer.recorded():
                    losses = _recorded_losses(router, summary)
                    better = ("load_violation", "dropped", "dead", *losses)
                    names += [f"{path}/{name}" for name in better]
        return names

    def _judge(
        self,
        layer: GatedLayer,
        path: str,
        router: RouterContract,
        summary: dict[str, Any],
        epoch: int,
    ) -> None:
        """Warns of what is wrong with a gate, once for each kind."""
        sentences = routing_problems(
            summary,
            router,
            gate=f"The mixture of experts {path!r}",
            when=f"in epoch {epoch + 1}",
            capacity=getattr(layer, "capacity_factor", None),
            collapse_above=self.collapse_above,
            dropped_above=self.dropped_above,
        )
        for kind, sentence in sentences.items():
            # A list, not a set: a checkpoint of a run stores attributes of plain types.
            if f"{path}: {kind}" not in self._warned:
                self._warned = [*self._warned, f"{path}: {kind}"]
                warn(sentence)

    def _logs_of_gate(
        self, path: str, router: RouterContract, summary: dict[str, Any]
    ) -> dict[str, float]:
        logs = {}
        if self.per_layer:
            names = (*_PER_LAYER, *_recorded_losses(router, summary))
            logs.update({f"{path}/{name}": summary[name] for name in names})
        if self.per_expert:
            shares = enumerate(summary["load"])
            logs.update({f"{path}/load_{e}": float(share) for e, share in shares})
        return logs

    def get_config(self) -> dict[str, Any]:
        return {
            "per_layer": self.per_layer,
            "per_expert": self.per_expert,
            "warn": self.warn,
            "collapse_above": self.collapse_above,
            "dropped_above": self.dropped_above,
            "log_dir": self.log_dir,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ExpertLoad":
        return cls(**config)


def _recorded_losses(router: RouterContract, summary: dict[str, Any]) -> list[str]:
    return [name for name in router.loss_names if name in summary]


def _warn_of_late_losses(layer: GatedLayer) -> None:
    for path, router, summary in layer.recorded():
        late = [name for name in router.loss_names if name not in summary]
        if late:
            warnings.warn(
                f"{', '.join(late)} of {path!r} is part of the loss and of aux_loss, but has no "
                "log of its own: its weight was 0 when the layer was built. To get the log, give "
                "the router the weight before the layer is built.",
                stacklevel=4,
            )
