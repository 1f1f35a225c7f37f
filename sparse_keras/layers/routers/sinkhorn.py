"""SinkhornRouter: in training, assigns tokens so that experts get nearly equal loads."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import Routing, divide_by_total
from sparse_keras.layers.validation import boolean, number, positive_int

# Far below any sum of shares, and a normal number of float32.
_TINY = 1e-30
# The even plan of a single token, or of equal tokens, is the same for all experts. A small share of
# the logits, not rounding, decides then.
_SHARE_OF_LOGITS = 1e-3


@keras.saving.register_keras_serializable(package="sparse_keras")
class SinkhornRouter(Router):
    """Sends each token to `k` experts, chosen in training so that the load is even.

        logits = x @ kernel
        plan   = exp(logits / temperature), its rows and its columns scaled in turn, `iterations`
                 times, until each token gives out 1 and each expert gets N / E
        chosen = in training, the k largest entries of a token's row of the plan;
                 else the k largest logits
        weight = sigmoid(logits) of the chosen expert                             if k = 1
                 softmax(logits) of the chosen experts [divided by their sum]     if k > 1

    Scaling a row does not change the order within it, and scaling the column of an expert adds the
    same number to its logit for all tokens. So the choice is a choice by logits, with those of
    popular experts lowered. No gradient flows through the scaling. Weights are computed from the
    plain logits: an expert that a token does not prefer has a small weight, and the router learns
    which experts to prefer. It needs no loss.

    The plan is even, and the choice nearly so: it rounds each row to k experts. For k > 1 weights
    are divided by their sum, so that the scale of outputs does not depend on the number of experts.
    Megatron-LM does not divide them, which is `normalize=False`.

    **Prediction uses plain logits**, so that `predict(x)[i]` is `predict(x[i:i+1])`. There, nothing
    keeps the load even.

    **In training, it leaks the future in causal models**: how popular an expert is depends on all
    tokens of the batch, including later ones of the same sequence. A mixture that follows a causal
    layer of a functional model warns of this, and so does `callbacks.ExpertLoad` at the start of
    `fit`. Prediction and validation do not see the future.

    Args:
        k: K, experts per token.
        temperature: Divisor of the logits before they are balanced. With a lower one, rows of the
            plan are closer to k experts each, so that the load is more even, but more iterations
            are needed. Megatron-LM uses 1; then the load of many experts is less even.
        iterations: How often rows and columns are scaled. Logits that differ more, relative to the
            temperature, need more iterations.
        normalize: Whether weights are divided by their sum. For k > 1 only.
        num_experts: E. `None` to take it from the layer that owns the router.
        importance_loss: Weight of the importance loss. (A balance loss would be nearly constant.)
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether logits have a bias.
        kernel_initializer: Initializer of the `[D, E]` matrix.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding, which is not part of the plan.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`. `"logits"` and `"scores"` are the plain ones; for k = 1
        scores are sigmoids.

    Raises:
        ValueError: If a `balance_loss` is given, if `k` exceeds the number of experts, or if
            `normalize=False` is given with k = 1.

    Example:

    >>> router = sparse_keras.layers.SinkhornRouter(k=1, num_experts=4)
    >>> x = np.random.default_rng(0).normal(size=(400, 16)) + 1.0
    >>> experts = np.array(router(x.astype("float32"), training=True)["expert_index"])
    >>> bool(np.bincount(experts[:, 0]).max() < 1.2 * 100)
    True

    Reference:
        [BASE Layers](https://arxiv.org/abs/2103.16716) for balance by assignment; [Unified Scaling
        Laws for Routed Language Models](https://arxiv.org/abs/2202.01169) on S-BASE, for its
        Sinkhorn form; [Megatron-LM](https://github.com/NVIDIA/Megatron-LM) for the weights and
        k > 1.
    """

    always_open = True
    sees_other_tokens = True
    predicts_alone = True
    takes_balance_loss = False

    def __init__(
        self,
        k: int = 2,
        temperature: float = 0.3,
        iterations: int = 20,
        normalize: bool = True,
        num_experts: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts=num_experts, **kwargs)
        if self.balance_loss:
            raise ValueError(
                "A SinkhornRouter balances the load of each training step: a balance loss would be "
                f"nearly constant. Leave it out. Received: balance_loss={self.balance_loss}."
            )
        self.k = positive_int("k", k)
        self.temperature = float(number("temperature", temperature, "(0, inf)"))
        self.iterations = positive_int("iterations", iterations)
        self.normalize = boolean("normalize", normalize)
        if self.k == 1 and not normalize:
            raise ValueError(
                "`normalize` has no effect with k=1: the weight is the sigmoid of one logit, which "
                f"is never divided. Leave it out. Received: normalize={normalize!r}."
            )

    @property
    def experts_per_token(self) -> int:
        return self.k

    def balance_advice(self, training: bool) -> str:
        if not training:
            return (
                "Its router balances the load in training only. Use a router with a balance_loss "
                "to balance it in prediction as well."
            )
        return (
            f"Lower its router's temperature (now {self.temperature:g}), or raise its iterations "
            f"(now {self.iterations})."
        )

    def decide(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        logits = self.compute_logits(inputs)
        selection = logits
        if training:
            scaled = ops.stop_gradient(logits) / self.temperature
            offsets = even_offsets(scaled, self.iterations, mask)
            selection = scaled * (1.0 + _SHARE_OF_LOGITS) + offsets
        return {"logits": logits, **self._routing(logits, selection)}

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        return self._routing(logits, logits)

    def _routing(self, logits: Tensor, selection: Tensor) -> dict[str, Tensor]:
        _, expert_index = ops.top_k(selection, self.k)
        expert_index = ops.cast(expert_index, "int32")
        is_open = ops.ones_like(expert_index, dtype="bool")
        return {
            "expert_index": expert_index,
            "weight": self.weigh(logits, expert_index, is_open),
            "is_open": is_open,
            "scores": self._scores(logits),
        }

    def _scores(self, logits: Tensor) -> Tensor:
        return ops.sigmoid(logits) if self.k == 1 else ops.softmax(logits, axis=-1)

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        weight = ops.take_along_axis(self._scores(logits), expert_index, axis=-1)
        if self.k > 1 and self.normalize:
            weight = divide_by_total(weight, ops.sum(weight, axis=-1, keepdims=True))
        return ops.where(is_open, weight, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "k": self.k,
            "temperature": self.temperature,
            "iterations": self.iterations,
            "normalize": self.normalize,
        }


def even_offsets(logits: Tensor, iterations: int, mask: Tensor = None) -> Tensor:
    """Returns the offset of each expert's logits with which their softmax has an even load.

    These are Sinkhorn's iterations, with the scaling of columns as a logarithm. The scaling of rows
    is a softmax, so that large logits do not overflow.

    Args:
        logits: Float32 `[N, E]`.
        iterations: How often rows and columns are scaled.
        mask: Optional bool `[N]`, False for padding, whose rows of the plan are zeros.

    Returns:
        Float32 `[E]`. Zeros if all tokens are padding.
    """

    def scale(_: Tensor, offset: Tensor) -> Tensor:
        plan = ops.softmax(logits + offset, axis=-1)
        if mask is not None:
            plan = ops.where(mask[:, None], plan, 0.0)
        columns = ops.maximum(ops.sum(plan, axis=0), _TINY)
        return offset + ops.log(ops.mean(columns)) - ops.log(columns)

    return ops.fori_loop(0, iterations, scale, ops.zeros((logits.shape[-1],), logits.dtype))
