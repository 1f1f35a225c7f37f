"""The router of a sparse block, as callbacks, inspection and recordings know routers."""

from __future__ import annotations

from typing import Any

from keras import ops

from sparse_keras import losses
from sparse_keras.layers.routers.contract import RouterContract


class BlockRouter(RouterContract):
    """What a block decides, described like a router of this library.

    Args:
        block: The `SparseBlock`.
    """

    always_open = True

    def __init__(self, block: Any) -> None:
        self.block = block

    @property
    def kind(self) -> str:
        """The name of KerasHub's block."""
        return type(self.block).__name__

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
        """Weight of the balance loss, this library's or KerasHub's."""
        own = self.block.balance_loss
        return self.block.keras_hub_loss_weight if own is None else own

    def weigh(self, logits: Any, expert_index: Any, is_open: Any) -> Any:
        """Weighs experts that were chosen before; see `Router.weigh`."""
        weight = ops.cast(self.block.weigh(logits, expert_index), "float32")
        return ops.where(is_open, weight, ops.zeros_like(weight))

    def balance_advice(self, training: bool) -> str | None:
        if self.block.bias_update_rate:
            return (
                f"Its selection bias moves by {self.block.bias_update_rate:g} in a step; a good "
                f"start is {0.01 / self.num_experts:.1g}, as scores are 1/E on average: "
                "hub.sparsify(model, bias_update_rate=...)."
            )
        return (
            f"Raise its balance loss (now {self.balance_loss:g}): hub.sparsify(model, "
            "balance_loss=...). Or use a selection bias: hub.sparsify(model, "
            "bias_update_rate=...). Or lower the learning rate."
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
