"""DSelectKRouter: a continuous choice of k experts, learned by gradients alone."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras import losses
from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.routing import Routing, every_slot
from sparse_keras.layers.validation import (
    boolean,
    loss_weight,
    non_negative_int,
    number,
    positive_int,
)


@keras.saving.register_keras_serializable(package="sparse_keras")
class DSelectKRouter(Router):
    """Chooses at most `k` experts by `k` selectors, each of which encodes its expert in bits.

        bit_b = S(z_b)                                    z = x @ kernel + bias, for each selector
        r_e = product over bits of (bit_b if bit b of e is 1, else 1 - bit_b)
        weight = sum over selectors of softmax(alpha)_i * r^(i)

    S is the smooth step: a cubic from 0 to 1 that is exactly 0 below `-gamma / 2` and exactly 1
    above `gamma / 2`. There is no top-k and no noise: weights are smooth in x and in the kernel.
    Once all bits of a token are 0 or 1, it has at most `k` experts, fewer if selectors agree.

    **Until then it is dense.** A bit between 0 and 1 opens every expert whose code fits, up to E of
    them, and each open expert is computed. The entropy loss pushes bits to 0 or 1.
    `flops_per_token` counts the final cost, k experts. Selectors that start alike may end alike,
    with fewer than `k` experts. This is rarer with a wider `kernel_initializer`, and with a large
    entropy loss that grows over `entropy_warmup_steps`.

    E need not be a power of two. Codes without an expert (6 and 7 for E = 6) ignore their first
    bit, and so encode experts 2 and 3: every code is an expert, and the weights of a token always
    sum to 1. (The paper drops such codes and adds a loss, `1 / sum of r`, which is unbounded.)

    Args:
        k: Number of selectors, and of a token's experts once all bits are 0 or 1.
        per_example: Whether the choice depends on x. False makes one choice for all tokens.
        gamma: Width of the smooth step. With a larger one, bits reach 0 or 1 later.
        entropy_loss: Weight of the selectors' entropy, averaged over tokens and selectors and
            divided by log E: 1 for a uniform choice, 0 once all bits are 0 or 1.
        entropy_warmup_steps: Training steps over which that weight grows from 0 to `entropy_loss`.
            Several calls of a layer within a step count as one.
        num_experts: E. `None` to take it from the layer that owns the router.
        importance_loss: Weight of the importance loss. (A balance loss would be constant while
            every expert is open.)
        jitter: Half width of multiplicative noise on the router's input in training.
        use_bias: Whether z and alpha have a bias. `None` means `per_example`.
        kernel_initializer: Initializer of the matrix. `None` means uniform within `gamma / 100`, so
            that all bits start near 1/2. With large values, gradients would be 0.
        kernel_regularizer: Regularizer of the matrix.
        seed: Seed of the jitter.

    Call arguments:
        inputs: `[N, D]`.
        mask: Optional bool `[N]`, False for padding.
        training: Whether the call is part of training.

    Returns:
        The routing, a dict; see `Router`. K is E, and slot e is expert e. `"scores"` holds all
        weights, and `"logits"` their logarithms. One more key, `"selector_entropy"`, is float32
        `[N, 1]`: the mean entropy of a token's selectors over log E.

    Raises:
        ValueError: If `k` exceeds E, or an argument would have no effect.

    Example:

    >>> router = sparse_keras.layers.DSelectKRouter(k=2, num_experts=6)
    >>> routing = router(np.random.normal(size=(5, 16)).astype("float32"))
    >>> np.allclose(np.sum(routing["weight"], axis=1), 1.0)
    True

    Reference:
        [DSelect-k](https://arxiv.org/abs/2106.03760), sections 3 and 4, with another treatment of
        codes beyond E.
    """

    slots_are_experts = True
    takes_balance_loss = False

    def __init__(
        self,
        k: int = 2,
        per_example: bool = True,
        gamma: float = 1.0,
        entropy_loss: float = 0.01,
        entropy_warmup_steps: int = 0,
        num_experts: int | None = None,
        use_bias: bool | None = None,
        kernel_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        gamma = number("gamma", gamma, "(0, inf)")
        per_example = boolean("per_example", per_example)
        if kernel_initializer is None:
            kernel_initializer = keras.initializers.RandomUniform(-gamma / 100, gamma / 100)
        super().__init__(
            num_experts=num_experts,
            use_bias=per_example if use_bias is None else use_bias,
            kernel_initializer=kernel_initializer,
            **kwargs,
        )
        self.k = positive_int("k", k)
        self.per_example = per_example
        self.gamma = gamma
        self.entropy_loss = loss_weight("entropy_loss", entropy_loss)
        self.entropy_warmup_steps = non_negative_int("entropy_warmup_steps", entropy_warmup_steps)
        without_effect = {
            "balance_loss": (self.balance_loss, "every expert is open until tokens have decided"),
            "jitter": (self.jitter and not per_example, "per_example=False looks at no input"),
            "use_bias": (use_bias and not per_example, "per_example=False looks at no input"),
            "entropy_warmup_steps": (entropy_warmup_steps and not entropy_loss, "entropy_loss=0"),
        }
        for name, (given, reason) in without_effect.items():
            if given:
                raise ValueError(
                    f"`{name}` would have no effect: {reason}. Received: "
                    f"{name}={getattr(self, name)!r}."
                )

    @property
    def experts_per_token(self) -> int:
        return self.k

    @property
    def slots(self) -> int:
        return self.num_experts

    @property
    def bits(self) -> int:
        """Number of bits in an expert's code."""
        return (self.num_experts - 1).bit_length()

    def build(self, input_shape: tuple) -> None:
        self.check_num_experts()
        width = self.k * (self.bits + 1)
        self.kernel = self.add_weight(
            name="router_kernel",
            shape=(input_shape[-1], width) if self.per_example else (width,),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="router_bias", shape=(width,), initializer="zeros")
        if self.entropy_warmup_steps:
            # No autocast: it is a count, and losses are computed in the mixture's dtype policy.
            self.steps = self.add_training_state("router_steps", autocast=False)
        self.built = True

    def call(self, inputs: Tensor, mask: Tensor = None, training: bool | None = None) -> Routing:
        if training and self.entropy_warmup_steps and keras_private.is_first_call_of_step(self):
            # Counting ends with the warm-up: float32 could not count for ever.
            steps = ops.minimum(self.steps + 1.0, float(self.entropy_warmup_steps))
            self.steps.assign(steps)
        return super().call(inputs, mask=mask, training=training)

    def compute_logits(self, inputs: Tensor) -> Tensor:
        """Returns z and alpha of all selectors: `[N, k * (bits + 1)]`."""
        if self.per_example:
            return super().compute_logits(inputs)
        tokens = ops.shape(inputs)[0]
        return ops.broadcast_to(ops.convert_to_tensor(self.kernel), (tokens, self.kernel.shape[0]))

    def why_no_lora(self) -> str | None:
        return None if self.per_example else "without `per_example`, it has no matrix."

    def route(self, logits: Tensor) -> dict[str, Tensor]:
        selectors, alpha = self._selectors(logits)
        scores = ops.sum(ops.softmax(alpha, axis=-1)[..., None] * selectors, axis=1)
        return {
            **every_slot(scores),
            "is_open": scores > 0.0,
            "scores": scores,
            "logits": ops.log(ops.maximum(scores, 1e-20)),
            "selector_entropy": _entropy(selectors) / math.log(max(self.num_experts, 2)),
        }

    def _selectors(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Returns each selector's distribution over experts, `[N, k, E]`, and alpha, `[N, k]`."""
        alpha = logits[:, : self.k]
        bits = smooth_step(logits[:, self.k :], self.gamma)
        bits = ops.reshape(bits, (ops.shape(alpha)[0], self.k, self.bits))
        codes = ops.ones_like(alpha)[..., None]
        for b in range(self.bits):
            bit = bits[..., b : b + 1]
            # The last bit is the highest. Codes that have it set encode the remaining experts.
            more = min(codes.shape[-1], self.num_experts - codes.shape[-1])
            with_bit, without = codes[..., :more] * bit, codes[..., :more] * (1.0 - bit)
            codes = ops.concatenate([without, codes[..., more:], with_bit], axis=-1)
        return codes, alpha

    def weigh(self, logits: Tensor, expert_index: Tensor, is_open: Tensor) -> Tensor:
        weight = ops.take_along_axis(ops.exp(logits), expert_index, axis=-1)
        return ops.where(is_open, weight, 0.0)

    @property
    def loss_names(self) -> tuple[str, ...]:
        return (*super().loss_names, *(("entropy_loss",) if self.entropy_loss else ()))

    def auxiliary_losses(
        self, routing: Routing, load: Tensor, mask: Tensor = None
    ) -> dict[str, tuple[Any, Tensor]]:
        pairs = super().auxiliary_losses(routing, load, mask)
        if self.entropy_loss:
            weight = self.entropy_loss
            if self.entropy_warmup_steps:
                weight = weight * ops.convert_to_tensor(self.steps) / self.entropy_warmup_steps
            value = losses.masked_mean(routing["selector_entropy"][:, 0], mask)
            pairs["entropy_loss"] = (weight, value)
        return pairs

    def flops_per_token(self, input_dim: int) -> int:
        return 2 * input_dim * self.k * (self.bits + 1) if self.per_example else 0

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, training: bool | None = None
    ) -> Routing:
        spec = super().compute_output_spec(inputs, mask, training)
        spec["selector_entropy"] = keras.KerasTensor((inputs.shape[0], 1), dtype="float32")
        return spec

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "k": self.k,
            "per_example": self.per_example,
            "gamma": self.gamma,
            "entropy_loss": self.entropy_loss,
            "entropy_warmup_steps": self.entropy_warmup_steps,
        }


def smooth_step(values: Tensor, gamma: float) -> Tensor:
    """Returns 0 below `-gamma / 2`, 1 above `gamma / 2`, and between them a smooth cubic.

    Both ends are exact, so that a bit that has reached 0 or 1 closes the experts of other codes.
    """
    t = ops.clip(values / gamma, -0.5, 0.5)
    cubic = (1.5 - 2.0 * t * t) * t + 0.5
    return ops.where(t >= 0.5, 1.0, ops.where(t <= -0.5, 0.0, cubic))


def _entropy(selectors: Tensor) -> Tensor:
    """Mean entropy of a token's selectors, in nats: `[N, 1]`."""
    share = ops.log(ops.maximum(selectors, 1e-20))
    return -ops.mean(ops.sum(selectors * share, axis=-1), axis=-1, keepdims=True)
