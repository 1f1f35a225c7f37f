"""How the load of a sparse block's experts is balanced: by KerasHub's loss, by ours, by a bias."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras.layers.mixtures.statistics import RoutingStatistics
from sparse_keras.layers.routers.contract import RouterContract


class BlockRouter(RouterContract):
    """The router of a block, as callbacks, inspection and recordings know routers.

    Args:
        block: The `SparseBlock`.
    """

    always_open = True

    def __init__(self, block: Any) -> None:
        self.block = block

    @property
    def num_experts(self) -> int:
        return self.block.num_experts

    @property
    def k(self) -> int:
        return self.block.experts_per_token

    experts_per_token = k  # All slots are open.

    @property
    def trainable(self) -> bool:
        return any(weight.trainable for weight in self.block.router_weights())

    @property
    def balance_loss(self) -> float:
        """Weight of the balance loss, ours or KerasHub's."""
        own = self.block.balance_loss
        return self.block.keras_hub_loss_weight if own is None else own

    @property
    def bias_step(self) -> float:
        """How far a training step moves the selection bias; 0 if there is none."""
        return self.block.bias_update_rate or 0.0

    def weigh(self, logits: Any, expert_index: Any, is_open: Any) -> Any:
        """Weighs experts that were chosen before; see `Router.weigh`."""
        weight = ops.cast(self.block.weigh(logits, expert_index), "float32")
        return ops.where(is_open, weight, ops.zeros_like(weight))

    def balance_advice(self, training: bool) -> str | None:
        return (
            f"Raise its balance loss (now {self.balance_loss:g}), with "
            "hub.sparsify(model, balance_loss=...), balance it without a loss, with "
            "hub.sparsify(model, bias_update_rate=0.001), or lower the learning rate."
        )

    @property
    def loss_names(self) -> tuple[str, ...]:
        return ("balance_loss",) if self.balance_loss else ()

    def auxiliary_losses(
        self, routing: dict, load: Any, mask: Any = None
    ) -> dict[str, tuple[Any, Any]]:
        """Returns KerasHub's balance loss, an entry of the routing, or this library's."""
        if not self.balance_loss:
            return {}
        value = routing.get("keras_hub_loss")
        if value is None:
            value = losses.load_balance_loss(routing["scores"], load, mask)
        return {"balance_loss": (self.balance_loss, value)}


class SelectionBias(keras.layers.Layer):
    """A bias by which experts are selected, and not weighted, that training moves; see
    `layers.TopKRouter(select_on="score_plus_bias")`.

    Weights of a sparsified model have it. KerasHub's own models skip it when they load them.

    Args:
        num_experts: E.
    """

    def __init__(self, num_experts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_experts = num_experts

    def build(self, input_shape: Any = None) -> None:
        self.bias = self.add_weight(
            name="selection_bias",
            shape=(self.num_experts,),
            initializer="zeros",
            dtype="float32",
            autocast=False,
            trainable=False,
            aggregation="mean",
        )
        self.built = True

    def move(self, load: Any, rate: float) -> None:
        """Moves the bias of each expert against its load, float32 `[E]`, by one step."""
        self.bias.assign_add(rate * ops.sign(ops.mean(load) - load))

    def load_own_variables(self, store: Any) -> None:
        if "0" in store.keys():
            super().load_own_variables(store)
        else:  # A file of KerasHub's own model, which has no bias.
            self.bias.assign(ops.zeros((self.num_experts,), "float32"))


class UnsavedStatistics(RoutingStatistics):
    """Statistics that files leave out, so that they are those of KerasHub."""

    def save_own_variables(self, store: Any) -> None:
        pass

    def load_own_variables(self, store: Any) -> None:
        pass
