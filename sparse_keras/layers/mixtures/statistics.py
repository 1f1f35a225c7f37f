"""RoutingStatistics: running sums of what one gate does in training.

(A `keras.metrics` object updated in `call` would crash `fit` on JAX.) `callbacks.ExpertLoad` resets
and reads them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

# The running sums beside the load of each expert and the router's losses.
SUMS = (
    "tokens",  # that are not padding
    "kept",  # open assignments that were not dropped
    "entropy",  # of a token's normalised scores, in nats, summed over tokens
    "calls",  # of the layer: one in each step and replica, unless it is shared
    "examples",  # batch sizes: Keras weighs the losses of batches by them
    "aux_loss",  # weighted and summed over losses, times the batch size
)


class RoutingStatistics(keras.layers.Layer):
    """Holds the running sums of one gate in one non-trainable float32 weight.

    The weight holds the load of each expert, `SUMS`, and one sum for each loss of the router. Files
    store each of these under its name. So a file stays readable when a router has lost or gained a
    loss since: a sum without a loss is skipped, and a loss without a sum starts at 0.

    Args:
        num_experts: E.
        loss_names: Names of the router's losses. Losses of other names are part of `aux_loss` only.
        **kwargs: Of `keras.layers.Layer`.

    Raises:
        ValueError: If a name in `loss_names` is not a string, is used twice, contains a slash, or
            is the name of another statistic.
    """

    def __init__(self, num_experts: int, loss_names: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_experts = num_experts
        self.loss_names = tuple(loss_names)
        _check_loss_names(self.loss_names)

    def build(self, input_shape: Any = None) -> None:
        # `add_weight` has no `synchronization`. On reading: under a distribution strategy, each
        # replica then adds to a copy of its own, and whoever reads gets the sum of the copies.
        self.sums = keras.Variable(
            initializer="zeros",
            shape=(self.num_experts + len(SUMS) + len(self.loss_names),),
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="sum",
            synchronization="on_read",
            name="sums",
        )
        self.built = True

    def add(self, load: Any, sums: Mapping[str, Any]) -> None:
        """Adds one step.

        Args:
            load: Float32 `[E]`, open assignments of each expert before any is dropped.
            sums: Dict with a scalar for each of `SUMS` and for each loss that was computed.
        """
        names = (*SUMS, *self.loss_names)
        scalars = [ops.cast(sums.get(name, 0.0), "float32") for name in names]
        step = ops.concatenate([load, ops.stack(scalars)])
        # Not `assign_add`, which TensorFlow refuses outside of `strategy.run`.
        self.sums.assign(ops.convert_to_tensor(self.sums) + ops.stop_gradient(step))

    def reset(self) -> None:
        """Sets all sums to 0."""
        self.sums.assign(ops.zeros(self.sums.shape, "float32"))

    def summarize(self) -> dict[str, Any]:
        """Reads the sums; see the function `summarize`."""
        sums = self._by_name(ops.convert_to_numpy(self.sums))
        return summarize(sums.pop("load"), sums, self.loss_names)

    def save_own_variables(self, store: Any) -> None:
        for name, values in self._by_name(ops.convert_to_numpy(self.sums)).items():
            store[name] = values

    def load_own_variables(self, store: Any) -> None:
        saved = set(store.keys())
        load = np.asarray(store["load"]) if "load" in saved else None
        if load is None or load.shape != (self.num_experts,):
            received = "none" if load is None else f"that of {load.size}"
            raise ValueError(
                f"The file must have the load of each of the {self.num_experts} experts of "
                f"{self.path!r}. Received: {received}."
            )
        names = (*SUMS, *self.loss_names)
        scalars = [float(store[name]) if name in saved else 0.0 for name in names]
        self.sums.assign(np.concatenate([load, scalars]).astype("float32"))

    def _by_name(self, values: np.ndarray) -> dict[str, Any]:
        names = (*SUMS, *self.loss_names)
        load, scalars = np.split(values, [self.num_experts])
        return {"load": load, **dict(zip(names, scalars, strict=True))}


def summarize(
    load: np.ndarray, sums: Mapping[str, float] | None = None, loss_names: Sequence[str] = ()
) -> dict[str, Any]:
    """Turns running sums into what they say about a gate.

    Args:
        load: `[E]`, assignments of each expert.
        sums: Dict with the numbers under the names in `SUMS` and `loss_names`. A missing one is 0.
        loss_names: Names of the router's losses.

    Returns:
        A dict:

        * `"load"`: `[E]`, each expert's share of all assignments; sums to 1.
        * `"assigned"`: assignments recorded; `"kept"`: those of them that were not dropped.
        * `"load_violation"`: largest load over mean load, minus 1. 0 is perfect balance.
        * `"dead"`: number of experts without any assignment.
        * `"dropped"`: share of assignments dropped for want of capacity.
        * `"experts_per_token"`: mean number of open experts.
        * `"entropy"`: mean entropy of a token's scores over that of a uniform choice, in [0, 1].
        * `"calls"`: calls of the layer, on all replicas.
        * `"aux_loss"`: mean over calls of the weighted auxiliary loss, as it entered the loss.
        * For each of `loss_names`, the mean of that loss, unweighted.

        Ratios are NaN, and counts 0, when nothing was recorded.
    """
    load = np.asarray(load, "float64")
    sums = {name: 0.0 for name in (*SUMS, *loss_names)} | {
        name: float(value) for name, value in (sums or {}).items()
    }
    assigned = float(load.sum())
    share = load / assigned if assigned > 0 else np.full(len(load), np.nan)
    uniform_entropy = float(np.log(max(len(load), 2)))  # One expert: entropy 0, not 0 / 0.
    return {
        "load": share,
        "assigned": assigned,
        "kept": sums["kept"],
        "calls": sums["calls"],
        "load_violation": float(share.max() * len(load) - 1),
        "dead": int((load == 0).sum()) if assigned > 0 else 0,
        "dropped": _ratio(assigned - sums["kept"], assigned),
        "experts_per_token": _ratio(assigned, sums["tokens"]),
        "entropy": _ratio(sums["entropy"], sums["tokens"] * uniform_entropy),
        "aux_loss": _ratio(sums["aux_loss"], sums["examples"]),
        **{name: _ratio(sums[name], sums["examples"]) for name in loss_names},
    }


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else float("nan")


# Names of statistics, which a loss cannot have.
_RESERVED = {*SUMS, *summarize(np.zeros(1))}


def _check_loss_names(names: tuple[str, ...]) -> None:
    for n, name in enumerate(names):
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(
                "Each of a router's `loss_names` must be a string without a slash, such as "
                f"'balance_loss'. Received: {name!r}."
            )
        if name in names[:n]:
            raise ValueError(f"A router's `loss_names` must differ. Received twice: {name!r}.")
        if name in _RESERVED:
            raise ValueError(
                f"A router's loss cannot be called {name!r}, as a statistic of every router is. "
                f"Rename it, for instance to '{name}_loss'."
            )
