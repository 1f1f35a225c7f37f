"""Mixture and OneGateMixture: base classes of layers with routers and banks of experts."""

from typing import Any

import keras

from sparse_keras._internal import keras_private
from sparse_keras.layers.mixtures.causality import layers_before, warn_of_leak
from sparse_keras.layers.mixtures.dispatcher import Dispatcher
from sparse_keras.layers.mixtures.gated_layer import GatedLayer, OneGateLayer, gated_layers
from sparse_keras.layers.mixtures.statistics import RoutingStatistics
from sparse_keras.layers.names import variable_name
from sparse_keras.layers.ownership import ExclusiveOwner
from sparse_keras.layers.replica_losses import ReplicaLosses
from sparse_keras.layers.routers import Router


class Mixture(GatedLayer, ExclusiveOwner):
    """Base class of layers in which routers send tokens to the experts of banks.

    Its gates and their statistics are those of a `GatedLayer`; costs know mixtures by this class.

    Subclasses write `call`, and:

    * `gates`: dict from a gate's name to its router.
    * `flops_per_token(input_dim)`, `total_params()` and `active_params()`.

    `dispatcher` sends tokens to their experts and back; see `dispatcher.Dispatcher`.
    """

    dispatcher = Dispatcher()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        keras_private.set_loss_list(self, ReplicaLosses())

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

    def pack_inputs(self, tensors: list[Any]) -> Any:
        """Packs a flat list of tensors, such as `layer.input`, as the inputs of a call."""
        tensor, *_ = tensors  # Token ids may follow.
        return tensor


class OneGateMixture(OneGateLayer, Mixture):
    """Base class of mixtures with one router, the attribute `router`."""

    @property
    def gates(self) -> dict[str, Router]:
        return {"router": self.router}

    def _statistics_name(self, gate: str) -> str:
        return "statistics"


def mixtures(model: keras.layers.Layer) -> list[Mixture]:
    """Lists the mixtures of experts of a model that are layers of this library.

    `gated_layers` lists the layers of other makers that route, too.
    """
    return [layer for layer in gated_layers(model) if isinstance(layer, Mixture)]
