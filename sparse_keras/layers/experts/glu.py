"""GLUExperts: gated linear units, the feed-forward block of recent language models."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.experts.feed_forward import FeedForwardExperts
from sparse_keras.layers.validation import number, optional_number


@keras.saving.register_keras_serializable(package="sparse_keras")
class GLUExperts(FeedForwardExperts):
    """Experts that are a gated linear unit each.

        y = (activation(x @ gate_e) * (x @ up_e)) @ down_e

    With `activation="silu"` this is SwiGLU, with `"gelu"` GEGLU. With a limit, a slope and an
    offset it is the clamped unit of gpt-oss (`limit=7.0, alpha=1.702, up_offset=1.0,
    use_bias=True`):

        g = min(x @ gate_e + b_e, limit)
        u = clip(x @ up_e + c_e, -limit, limit)
        y = (g * sigmoid(alpha * g) * (u + up_offset)) @ down_e + d_e

    Args:
        num_experts: E.
        hidden_dim: H, width between the matrices.
        activation: Activation function of the gate.
        output_dim: Width of the output. `None` means that of the input.
        use_bias: Whether each matrix has a bias.
        dropout: Rate of dropout on the hidden units, in training.
        kernel_initializer: Initializer of one expert's matrix, drawn separately for each expert and
            each matrix.
        bias_initializer: Initializer of one expert's bias.
        kernel_regularizer: Regularizer of one expert's matrix; the losses are summed.
        seed: Seed of the dropout.
        limit: Positive number. The gate, before its activation, is clipped from above, and
            `x @ up_e` from both sides. `None` for no limit.
        alpha: Slope of the sigmoid in the gate, `g * sigmoid(alpha * g)`. Values other than 1 need
            `activation="silu"`.
        up_offset: Added to `x @ up_e`, after the limit. With 1, the output of an expert whose `up`
            is near zero is the activated gate.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert.
        group_sizes: Int `[E]`, rows of each expert.
        training: Whether to apply dropout.

    Output shape:
        `[M, output_dim]`.

    Raises:
        ValueError: If the limit or the slope is not positive, or a slope is given with an
            activation other than `"silu"`.

    Example:

    >>> experts = sparse_keras.layers.GLUExperts(num_experts=8, hidden_dim=128)
    >>> layer = sparse_keras.layers.MixtureOfExperts(experts, k=2)
    >>> layer(np.ones((2, 3, 64), "float32")).shape
    TensorShape([2, 3, 64])

    Reference:
        [GLU Variants Improve Transformer](https://arxiv.org/abs/2002.05202), equation 6;
        [gpt-oss](https://arxiv.org/abs/2508.10925) for the clamped unit.
    """

    def __init__(
        self,
        num_experts: int,
        hidden_dim: int,
        activation: Any = "silu",
        use_bias: bool = False,
        limit: float | None = None,
        alpha: float = 1.0,
        up_offset: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_experts, hidden_dim, activation=activation, use_bias=use_bias, **kwargs
        )
        self.limit = optional_number("limit", limit, "(0, inf)")
        self.alpha = number("alpha", alpha, "(0, inf)")
        self.up_offset = number("up_offset", up_offset, "(-inf, inf)")
        if alpha != 1.0 and self.activation is not keras.activations.silu:
            raise ValueError(
                "`alpha` is the slope of the sigmoid in `activation='silu'`. Received: "
                f"alpha={alpha}, activation={activation!r}."
            )
        self.gate = self._grouped("gate", self.hidden_dim, activation=self._activate_gate)
        self.up = self._grouped("up", self.hidden_dim, activation=self._shift_up)

    def _activate_gate(self, gate: Tensor) -> Tensor:
        if self.limit is not None:
            gate = ops.minimum(gate, self.limit)
        if self.alpha != 1.0:
            return gate * ops.sigmoid(self.alpha * gate)
        return self.activation(gate)

    def _shift_up(self, up: Tensor) -> Tensor:
        if self.limit is not None:
            up = ops.clip(up, -self.limit, self.limit)
        return up + self.up_offset if self.up_offset else up

    def build_hidden(self, input_shape: tuple) -> None:
        self.gate.build(input_shape)
        self.up.build(input_shape)

    def call_grouped_hidden(self, rows: Any) -> Any:
        return self.gate.call_grouped(rows).map(ops.multiply, self.up.call_grouped(rows))

    def flops_per_row(self, input_dim: int) -> int:
        return 2 * self.hidden_dim * (2 * input_dim + self.output_width(input_dim))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "limit": self.limit,
            "alpha": self.alpha,
            "up_offset": self.up_offset,
        }
