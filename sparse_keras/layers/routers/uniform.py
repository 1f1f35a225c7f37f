"""UniformRouter: every expert has the same weight, and there is nothing to learn."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.refusals import refuse_arguments_without_effect
from sparse_keras.layers.routers.routing import every_slot


@keras.saving.register_keras_serializable(package="sparse_keras")
class UniformRouter(Router):
    """Sends each token to all experts with the weight 1 / E: an ensemble without a router.

    It has no weights. Compare it with another router to see what routing is worth.

    Args:
        num_experts: E. `None` to take it from the layer that owns the router.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`. K is E, and slot e is expert e.

    Raises:
        ValueError: If an argument of other routers is given that has no effect here.

    Example:

    >>> router = sparse_keras.layers.UniformRouter(num_experts=8)
    >>> float(router(np.ones((5, 16), "float32"))["weight"][0, 0])
    0.125
    """

    experts_per_token = property(lambda self: self.num_experts)
    always_open = slots_are_experts = True
    takes_balance_loss = False

    def __init__(self, num_experts: int | None = None, **kwargs: Any) -> None:
        super().__init__(num_experts=num_experts, **kwargs)
        refuse_arguments_without_effect(self)

    def build(self, input_shape: tuple) -> None:
        self.check_num_experts()
        self.built = True

    def compute_logits(self, inputs: Tensor) -> Tensor:
        return ops.zeros((ops.shape(inputs)[0], self.num_experts), "float32")

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        weight = ops.ones_like(logits) / self.num_experts
        return {**every_slot(weight), "scores": weight}

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        return ops.cast(is_open, "float32") / self.num_experts

    def flops_per_token(self, input_dim: int) -> int:
        return 0
