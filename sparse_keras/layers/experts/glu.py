"""GLUExperts: gated linear units, the feed-forward block of recent language models."""

import keras
from keras import ops

from sparse_keras.layers.experts.feed_forward import FeedForwardExperts


@keras.saving.register_keras_serializable(package="sparse_keras")
class GLUExperts(FeedForwardExperts):
    """Experts that are a gated linear unit each.

        y = (activation(x @ gate_e) * (x @ up_e)) @ down_e

    With `activation="silu"` this is SwiGLU, with `"gelu"` GEGLU.

    Args:
        num_experts: E.
        hidden_dim: H, width between the matrices.
        activation: Activation function of the gate.
        output_dim: Width of the output. `None` means that of the input.
        use_bias: Whether each matrix has a bias.
        dropout: Rate of dropout on the hidden units, in training.
        kernel_initializer: Initializer of one expert's matrix; every matrix is drawn on its own.
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

    >>> experts = sparse_keras.layers.GLUExperts(num_experts=8, hidden_dim=128)
    >>> layer = sparse_keras.layers.MixtureOfExperts(experts, k=2)
    >>> layer(np.ones((2, 3, 64), "float32")).shape
    TensorShape([2, 3, 64])

    Reference:
        [GLU Variants Improve Transformer](https://arxiv.org/abs/2002.05202), equation 6.
    """

    def __init__(self, num_experts, hidden_dim, activation="silu", use_bias=False, **kwargs):
        super().__init__(
            num_experts, hidden_dim, activation=activation, use_bias=use_bias, **kwargs
        )
        self.gate = self._grouped("gate", self.hidden_dim, activation=self.activation)
        self.up = self._grouped("up", self.hidden_dim)

    def build_hidden(self, input_shape):
        self.gate.build(input_shape)
        self.up.build(input_shape)

    def call_grouped_hidden(self, rows):
        return self.gate.call_grouped(rows).map(ops.multiply, self.up.call_grouped(rows))

    def flops_per_row(self, input_dim):
        return 2 * self.hidden_dim * (2 * input_dim + self.output_width(input_dim))
