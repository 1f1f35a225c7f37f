"""MLPExperts: two matrices with an activation between, the feed-forward block of Transformers."""

from typing import Any

import keras

from sparse_keras.layers.experts.feed_forward import FeedForwardExperts


@keras.saving.register_keras_serializable(package="sparse_keras")
class MLPExperts(FeedForwardExperts):
    """Experts that are a two-layer perceptron each.

        y = activation(x @ up_e + b_e) @ down_e + c_e

    Args:
        num_experts: E.
        hidden_dim: H, width between the two matrices.
        activation: Activation function after the first matrix.
        output_dim: Width of the output. `None` means that of the input.
        use_bias: Whether each matrix has a bias.
        dropout: Rate of dropout on the hidden units, in training.
        kernel_initializer: Initializer of one expert's matrix, drawn separately for each expert and
            each matrix.
        bias_initializer: Initializer of one expert's bias.
        kernel_regularizer: Regularizer of one expert's matrix; the losses are summed.
        seed: Seed of the dropout.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert.
        group_sizes: Int `[E]`, rows of each expert.
        training: Whether to apply dropout.

    Output shape:
        `[M, output_dim]`.

    Example:

    >>> experts = sparse_keras.layers.MLPExperts(num_experts=8, hidden_dim=256)
    >>> layer = sparse_keras.layers.MixtureOfExperts(experts, k=2)
    >>> layer(np.ones((5, 64), "float32")).shape
    TensorShape([5, 64])

    Reference:
        [Switch Transformers](https://arxiv.org/abs/2101.03961), section 2.
    """

    def __init__(
        self,
        num_experts: int,
        hidden_dim: int,
        activation: Any = "relu",
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_experts, hidden_dim, activation=activation, use_bias=use_bias, **kwargs
        )
        self.up = self._grouped("up", self.hidden_dim, activation=self.activation)

    def build_hidden(self, input_shape: tuple) -> None:
        self.up.build(input_shape)

    def call_grouped_hidden(self, rows: Any) -> Any:
        return self.up.call_grouped(rows)

    def flops_per_row(self, input_dim: int) -> int:
        return 2 * self.hidden_dim * (input_dim + self.output_width(input_dim))
