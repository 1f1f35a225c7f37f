"""BalancedRouter: deals tokens to the experts in turn, whatever the tokens contain."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.refusals import refuse_arguments_without_effect
from sparse_keras.layers.routers.routing import Routing, divide_by_total
from sparse_keras.layers.routers.scores import largest
from sparse_keras.layers.validation import boolean, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class BalancedRouter(Router):
    """Deals the tokens to the experts in turn, `k` to each token: the load is exactly even.

        experts of token n = (n k, n k + 1, ..., n k + k - 1) mod E
        weight             = softmax(x @ kernel) of these experts, divided by their sum

    It is for experiments. It measures speed at a balanced load before any router has learned one.
    If a run fails with a learned router but not with this one, the routing is at fault. And the
    quality that a model reaches with this router does not come from sending tokens to the right
    experts.

    The loads of two experts differ by at most one assignment. Padding is skipped. A token's content
    decides its weights only, so the router still learns, and costs as much as any other. For k = 1
    the divisor is the sum of the score and the best of the others, as in `TopKRouter`.

    **A token's experts depend on its position in the batch**, in prediction as well: what the model
    predicts for a row depends on how many rows come before it, but not on what they contain.

    Args:
        k: K, experts per token.
        equal_weights: Whether every weight is 1 / k. The router then has no parameters, and the
            content of tokens has no influence at all.
        shuffle: Whether training deals the tokens in random order to the experts in random order,
            both drawn for each call. Outside training the order is that of the batch.
        num_experts: E. `None` to take it from the layer that owns the router.
        importance_loss: Weight of the importance loss. (A balance loss would be constant.)
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether logits have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter and of the random orders.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`.

    Raises:
        ValueError: If a `balance_loss` is given, `k` exceeds the number of experts, or an argument
            has no effect with `equal_weights=True`.

    Example:

    >>> router = sparse_keras.layers.BalancedRouter(k=2, num_experts=6)
    >>> routing = router(np.random.normal(size=(4, 16)).astype("float32"))
    >>> np.array(routing["expert_index"]).tolist()
    [[0, 1], [2, 3], [4, 5], [0, 1]]

    Reference:
        `force-load-balancing` of [Megatron-Core](https://github.com/NVIDIA/Megatron-LM) and
        `use_random_routing` of [MaxText](https://github.com/AI-Hypercomputer/maxtext), which draw
        random logits, so that the load is even on average. Here it is even in each call.
    """

    always_open = True
    predicts_alone = False
    takes_balance_loss = False

    def __init__(
        self,
        k: int = 2,
        equal_weights: bool = False,
        shuffle: bool = False,
        num_experts: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts=num_experts, **kwargs)
        self.k = positive_int("k", k)
        self.equal_weights = boolean("equal_weights", equal_weights)
        self.shuffle = boolean("shuffle", shuffle)
        if self.balance_loss:
            raise ValueError(
                "A BalancedRouter deals every expert the same load: a balance loss is constant. "
                f"Received: balance_loss={self.balance_loss}."
            )
        if equal_weights:
            allowed = ("seed",) if shuffle else ()
            refuse_arguments_without_effect(self, "with equal weights", allowed)

    @property
    def experts_per_token(self) -> int:
        return self.k

    def build(self, input_shape: tuple) -> None:
        if not self.equal_weights:
            super().build(input_shape)
            return
        self.check_num_experts()
        self.built = True

    def decide(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        logits = self.compute_logits(inputs)
        shuffled = training and self.shuffle
        deal = self._shuffled(logits, mask) if shuffled else self._in_order(logits, mask)
        return {"logits": logits, **self._routing(logits, deal)}

    def compute_logits(self, inputs: Tensor) -> Tensor:
        if not self.equal_weights:
            return super().compute_logits(inputs)
        return ops.zeros((ops.shape(inputs)[0], self.num_experts), "float32")

    def why_no_lora(self) -> str | None:
        return "with equal weights, it has no matrix." if self.equal_weights else None

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        return self._routing(logits, self._in_order(logits, None))

    def _in_order(self, logits: Tensor, mask: Tensor | None) -> Tensor:
        """Deals the experts int32 `[N, K]` to the tokens in turn, without padding."""
        if mask is None:
            turn = ops.arange(ops.shape(logits)[0], dtype="int32")
        else:
            turn = ops.cumsum(ops.cast(mask, "int32")) - 1
        return self._dealt(turn)

    def _shuffled(self, logits: Tensor, mask: Tensor | None) -> Tensor:
        """Deals in a random order of tokens and of experts."""
        draws = keras.random.uniform((ops.shape(logits)[0],), seed=self.seed_generator)
        if mask is not None:
            draws = ops.where(mask, draws, 2.0)  # Padding comes last.
        turn = ops.cast(ops.argsort(ops.argsort(draws)), "int32")
        order = ops.argsort(keras.random.uniform((self.num_experts,), seed=self.seed_generator))
        return ops.take(ops.cast(order, "int32"), self._dealt(turn))

    def _dealt(self, turn: Tensor) -> Tensor:
        return (turn[:, None] * self.k + ops.arange(self.k, dtype="int32")) % self.num_experts

    def _routing(self, logits: Tensor, expert_index: Tensor) -> dict[str, Tensor]:
        is_open = ops.ones_like(expert_index, dtype="bool")
        return {
            "expert_index": expert_index,
            "weight": self.weigh(logits, expert_index, is_open),
            "is_open": is_open,
            "scores": ops.softmax(logits, axis=-1),
        }

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        if self.equal_weights:
            return ops.cast(is_open, "float32") / self.k
        scores = ops.softmax(logits, axis=-1)
        weight = ops.take_along_axis(scores, expert_index, axis=-1)
        total = ops.sum(weight, axis=-1, keepdims=True)
        if self.k == 1 and self.num_experts > 1:
            is_chosen = ops.equal(expert_index, ops.arange(self.num_experts, dtype="int32"))
            total = total + largest(ops.where(is_chosen, 0.0, scores))[:, None]
        return ops.where(is_open, divide_by_total(weight, total), 0.0)

    def flops_per_token(self, input_dim: int) -> int:
        return 0 if self.equal_weights else super().flops_per_token(input_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "k": self.k,
            "equal_weights": self.equal_weights,
            "shuffle": self.shuffle,
        }
