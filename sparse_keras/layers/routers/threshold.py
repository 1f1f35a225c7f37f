"""ThresholdRouter: sigmoid gates that are open above a threshold."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import divide_by_total, open_slots
from sparse_keras.layers.validation import boolean, number, optional_positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class ThresholdRouter(Router):
    """Opens every expert whose sigmoid gate exceeds a threshold.

        gate_e = sigmoid(x @ kernel_e + bias_e)
        expert e is open    if and only if gate_e > threshold

    The number of open experts differs from token to token. A token with no open gate gets nothing
    from the routed experts.

    Args:
        threshold: The gate above which an expert is open, in `[0, 1)`.
        max_experts: Most experts of one token. If more gates exceed the threshold, the largest
            count. `None` means all. Set it on JAX and under XLA: there shapes cannot depend on
            data, so that memory and time grow with `max_experts`, however few experts are open.
        normalize: Whether a token's weights are divided by their sum.
        num_experts: E. `None` to take it from the layer that owns the router.
        balance_loss: Weight of the load-balancing loss, 1.0 at perfect balance.
        importance_loss: Weight of the importance loss.
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether gates have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`. `"scores"` holds all gates, open or not.

    Example:

    >>> router = sparse_keras.layers.ThresholdRouter(threshold=0.5, num_experts=8)
    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     keras.layers.Dense(4), num_experts=8, router=router
    ... )
    >>> layer(np.ones((5, 16), "float32")).shape
    TensorShape([5, 4])
    """

    def __init__(
        self,
        threshold: float = 0.5,
        max_experts: int | None = None,
        normalize: bool = False,
        num_experts: int | None = None,
        balance_loss: float = 0.01,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_experts=num_experts, balance_loss=balance_loss, use_bias=use_bias, **kwargs
        )
        self.threshold = number("threshold", threshold, "[0, 1)")  # Where gates are.
        self.max_experts = optional_positive_int("max_experts", max_experts)
        if normalize and max_experts == 1:
            raise ValueError(
                "With max_experts=1, `normalize=True` makes every weight the constant 1, and no "
                "gradient reaches the router. Received: max_experts=1, normalize=True."
            )
        self.normalize = boolean("normalize", normalize)

    @property
    def experts_per_token(self) -> int:
        return self.max_experts or self.num_experts

    @property
    def slots_are_experts(self) -> bool:
        return self.slots == self.num_experts

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        gates = ops.sigmoid(logits)
        expert_index, weight, is_open = open_slots(
            gates, gates > self.threshold, self.experts_per_token
        )
        return {
            "expert_index": expert_index,
            "weight": self._normalized(weight),
            "is_open": is_open,
            "scores": gates,
        }

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        gates = ops.take_along_axis(ops.sigmoid(logits), expert_index, axis=-1)
        return self._normalized(ops.where(is_open, gates, 0.0))

    def _normalized(self, weight: Tensor) -> Tensor:
        if not self.normalize:
            return weight
        return divide_by_total(weight, ops.sum(weight, axis=-1, keepdims=True))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "max_experts": self.max_experts,
            "normalize": self.normalize,
        }
