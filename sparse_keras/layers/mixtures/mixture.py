"""Mixture and OneGateMixture: base classes of layers with routers and banks of experts."""

from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal import keras_private
from sparse_keras.layers.mixtures.causality import layers_before, warn_of_leak
from sparse_keras.layers.mixtures.dispatcher import Dispatcher
from sparse_keras.layers.mixtures.statistics import RoutingStatistics
from sparse_keras.layers.names import variable_name
from sparse_keras.layers.ownership import ExclusiveOwner
from sparse_keras.layers.replica_losses import ReplicaLosses
from sparse_keras.layers.routers import Router


class Mixture(ExclusiveOwner):
    """Base class of layers in which routers send tokens to the experts of banks.

    A router with the statistics of its routing is a gate: a MixtureOfExperts has one, a
    MultiGateMixtureOfExperts one for each task. Callbacks and costs know mixtures by this class.

    Subclasses write `call`, and:

    * `gates`: dict from a gate's name to its router.
    * `flops_per_token(input_dim)`, `total_params()` and `active_params()`.

    `dispatcher` sends tokens to their experts and back; see `dispatcher.Dispatcher`.
    """

    dispatcher = Dispatcher()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        keras_private.set_loss_list(self, ReplicaLosses())

    @property
    def gates(self) -> dict[str, Router]:
        """Dict from each gate's name to its router."""
        raise NotImplementedError

    def gate_path(self, gate: str) -> str:
        """Returns the path that names a gate in logs and reports."""
        return f"{self.path or self.name}/{gate}"

    @property
    def sees_other_tokens(self) -> bool:
        """Whether the output of a token depends on other tokens, later ones included."""
        return any(router.sees_other_tokens for router in self.gates.values())

    @property
    def predicts_alone(self) -> bool:
        """Whether the output of a token depends on other tokens only in training, if at all."""
        return all(router.predicts_alone for router in self.gates.values())

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        first = keras.tree.flatten(inputs)[0]
        if (
            self.sees_other_tokens  # Before the walk through the graph, which few mixtures need.
            and isinstance(first, keras.KerasTensor)
            and len(first.shape) > 2
        ):
            warn_of_leak(self, layers_before(first))
        return super().__call__(inputs, *args, **kwargs)

    def add_statistics(self) -> None:
        """Creates the statistics of each gate. Subclasses call it at the end of `build`.

        Raises:
            ValueError: If a router has a loss with a name that cannot be recorded.
        """
        self.statistics = {
            gate: RoutingStatistics(
                router.num_experts, router.loss_names, name=self._statistics_name(gate)
            )
            for gate, router in self.gates.items()
        }
        for statistics in self.statistics.values():
            statistics.build()

    def _statistics_name(self, gate: str) -> str:
        return f"{variable_name(gate)}_statistics"

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
        return total if auxiliary else None

    def pack_inputs(self, tensors: list[Any]) -> Any:
        """Packs a flat list of tensors, such as `layer.input`, as the inputs of a call."""
        tensor, *_ = tensors  # Token ids may follow.
        return tensor

    def reset_statistics(self) -> None:
        """Sets the statistics of all gates to 0."""
        if not self.built:
            return  # Nothing was recorded yet.
        for statistics in self.statistics.values():
            statistics.reset()

    def recorded(self) -> list[tuple[str, Router, dict[str, Any]]]:
        """Returns the statistics of each gate: a list of `(path, router, summary)`.

        A summary is what `statistics.summarize` returns.
        """
        return [
            (self.gate_path(gate), router, self.statistics[gate].summarize())
            for gate, router in self.gates.items()
        ]


class OneGateMixture(Mixture):
    """Base class of mixtures with one router, the attribute `router`.

    In logs and reports, its gate has the path of the layer.
    """

    @property
    def gates(self) -> dict[str, Router]:
        return {"router": self.router}

    def gate_path(self, gate: str) -> str:
        return self.path or self.name

    def _statistics_name(self, gate: str) -> str:
        return "statistics"

    def routing_statistics(self) -> dict[str, Any]:
        """Returns the statistics of training since the last reset, see `statistics.summarize`.

        `callbacks.ExpertLoad` resets them at the start of each epoch.
        """
        return self.statistics["router"].summarize()


def mixtures(model: keras.layers.Layer) -> list[Mixture]:
    """Lists all mixtures of experts of a model, however deep, in the order of its layers."""
    # `keras_private.all_layers` turns the order of nested layers around.
    found, waiting = {}, [model]
    while waiting:
        layer = waiting.pop()
        if id(layer) not in found:
            found[id(layer)] = layer
            waiting.extend(reversed(keras_private.sublayers(layer)))
    return [layer for layer in found.values() if isinstance(layer, Mixture)]
