"""GatedLayer: a layer that routes, as callbacks, inspection and recordings know it."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal import keras_private
from sparse_keras.layers.routers.contract import RouterContract


class GatedLayer:
    """Mixin of layers in which routers send tokens to experts.

    A router with the statistics of its routing is a gate: a MixtureOfExperts has one, a
    MultiGateMixtureOfExperts one for each task. A layer passes each routing to
    `routing_hooks.apply_hooks`, and in training to `record`.

    Subclasses write:

    * `gates`: dict from a gate's name to its router.

    Attributes:
        statistics: Dict from a gate's name to its `RoutingStatistics`.
        counts_on_demand: Whether there are statistics only after `begin_statistics`.
    """

    counts_on_demand = False

    @property
    def gates(self) -> dict[str, RouterContract]:
        """Dict from each gate's name to its router."""
        raise NotImplementedError

    def gate_path(self, gate: str) -> str:
        """Returns the path that names a gate in logs and reports."""
        return f"{self.path or self.name}/{gate}"

    @property
    def sees_other_tokens(self) -> bool:
        """Whether the output of a token depends on what others hold, later ones included."""
        return any(router.sees_other_tokens for router in self.gates.values())

    @property
    def predicts_alone(self) -> bool:
        """Whether, outside training, a token gets the same output alone as beside other tokens."""
        return all(router.predicts_alone for router in self.gates.values())

    def begin_statistics(self) -> bool:
        """Makes sure that the layer counts what it routes in training.

        Returns:
            True if it did not before. What was compiled of its model must then be compiled again.
        """
        return False

    def record(
        self, gate: str, routing: dict[str, Any], load: Any, kept: Any, mask: Any, examples: Any
    ) -> Any:
        """Adds this step to the statistics of a gate.

        Args:
            gate: The gate's name.
            routing: What its router returned.
            load: Int `[E]`, open assignments of each expert.
            kept: Scalar, those of them that were not dropped.
            mask: Optional bool `[N]`, False for padding.
            examples: Scalar, the size of the batch. Each example is a sequence of tokens.

        Returns:
            The gate's weighted auxiliary loss, a scalar; `None` if it has no losses.

        Raises:
            ValueError: If the router returns a loss that is not among its `loss_names`.
        """
        load = ops.cast(load, "float32")
        router = self.gates[gate]
        more = {"num_sequences": examples} if router.needs_sequences else {}
        auxiliary = router.auxiliary_losses(routing, load, mask, **more)
        unnamed = [name for name in auxiliary if name not in router.loss_names]
        if unnamed:
            raise ValueError(
                f"The `loss_names` of a {type(router).__name__} must name each of its losses. "
                f"Received: loss_names={router.loss_names}, and {', '.join(map(repr, unnamed))} "
                "from `auxiliary_losses`."
            )
        total = sum(weight * value for weight, value in auxiliary.values())
        if gate in self.statistics:
            self._add(gate, routing, load, kept, mask, examples, total, auxiliary)
        return total if auxiliary else None

    def _add(
        self,
        gate: str,
        routing: dict[str, Any],
        load: Any,
        kept: Any,
        mask: Any,
        examples: Any,
        total: Any,
        auxiliary: Mapping[str, tuple[Any, Any]],
    ) -> None:
        examples = ops.cast(examples, "float32")
        tokens = losses.token_count(routing["scores"], mask)
        entropy = losses.masked_mean(losses.token_entropy(routing["scores"]), mask) * tokens
        sums = {
            "tokens": tokens,
            "kept": kept,
            "entropy": entropy,
            "calls": 1.0,
            "examples": examples,
            "aux_loss": total * examples,
            **{name: value * examples for name, (_, value) in auxiliary.items()},
        }
        self.statistics[gate].add(load, sums)

    def reset_statistics(self) -> None:
        """Sets the statistics of all gates to 0."""
        if not self.built:
            return  # Nothing was recorded yet.
        for statistics in self.statistics.values():
            statistics.reset()

    def recorded(self) -> list[tuple[str, RouterContract, dict[str, Any]]]:
        """Returns the statistics of each gate: a list of `(path, router, summary)`.

        A summary is what `statistics.summarize` returns.

        Raises:
            ValueError: If the layer does not count what it routes; see `begin_statistics`.
        """
        return [
            (self.gate_path(gate), router, self._summary(gate))
            for gate, router in self.gates.items()
        ]

    def _summary(self, gate: str) -> dict[str, Any]:
        if gate not in self.statistics:
            raise ValueError(
                f"{self.gate_path(gate)!r} does not count what it routes yet. Fit the model with "
                "callbacks.ExpertLoad()."
            )
        return self.statistics[gate].summarize()


class OneGateLayer(GatedLayer):
    """Mixin of layers with one router, whose gate is called `"router"`.

    In logs and reports, its gate has the path of the layer.
    """

    def gate_path(self, gate: str) -> str:
        return self.path or self.name

    def routing_statistics(self) -> dict[str, Any]:
        """Returns the statistics of training since the last reset, see `statistics.summarize`.

        `callbacks.ExpertLoad` resets them at the start of each epoch.

        Raises:
            ValueError: If the layer does not count what it routes; see `begin_statistics`.
        """
        return self._summary("router")


# What to say of a model without a layer that routes.
SPARSIFY_FIRST = "A model of KerasHub has to be sparsified before: hub.sparsify(model)."


def gated_layers(model: keras.layers.Layer) -> list[Any]:
    """Lists all layers of a model that route, however deep, in the order of its layers."""
    # `keras_private.all_layers` turns the order of nested layers around.
    found, waiting = {}, [model]
    while waiting:
        layer = waiting.pop()
        if id(layer) not in found:
            found[id(layer)] = layer
            waiting.extend(reversed(keras_private.sublayers(layer)))
    return [layer for layer in found.values() if isinstance(layer, GatedLayer)]
