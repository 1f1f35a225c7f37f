"""DenseRouter: every expert is open, each with its softmax weight."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import every_slot


@keras.saving.register_keras_serializable(package="sparse_keras")
class DenseRouter(Router):
    """Sends each token to all experts, weighted by a softmax: the gate of MMoE.

        weight = softmax(x @ kernel)

    Nothing is sparse here: every expert computes every token. Use it for a few small experts that
    several tasks share, or as a baseline for sparse routers.

    Args:
        num_experts: E. `None` to take it from the layer that owns the router.
        importance_loss: Weight of the importance loss. (A balance loss would be constant, because
            every expert gets every token.)
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether logits have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`. K is E, and slot e is expert e.

    Raises:
        ValueError: If a `balance_loss` is given.

    Example:

    >>> router = sparse_keras.layers.DenseRouter(num_experts=8)
    >>> routing = router(np.random.normal(size=(5, 16)).astype("float32"))
    >>> np.allclose(np.sum(routing["weight"], axis=1), 1.0)
    True

    Reference:
        [Adaptive Mixtures of Local Experts](https://doi.org/10.1162/neco.1991.3.1.79);
        [MMoE](https://doi.org/10.1145/3219819.3220007), section 4.2.
    """

    always_open = slots_are_experts = True
    takes_balance_loss = False

    def __init__(self, num_experts: int | None = None, **kwargs: Any) -> None:
        super().__init__(num_experts=num_experts, **kwargs)
        if self.balance_loss:
            raise ValueError(
                "A DenseRouter sends every token to every expert: its load is always balanced, and "
                "a balance loss is constant. Use `importance_loss`, which looks at the weights. "
                f"Received: balance_loss={self.balance_loss}."
            )

    @property
    def experts_per_token(self) -> int:
        return self.num_experts

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        scores = ops.softmax(logits, axis=-1)
        return {**every_slot(scores), "scores": scores}

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        weight = ops.take_along_axis(ops.softmax(logits, axis=-1), expert_index, axis=-1)
        return ops.where(is_open, weight, 0.0)
