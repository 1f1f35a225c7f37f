"""FeedForward: the dense feed-forward layer of a Transformer."""

from typing import Any

import keras

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers import activations
from sparse_keras.layers.flops import layer_flops
from sparse_keras.layers.initializers import for_group
from sparse_keras.layers.tuned_parts import RemembersTuning
from sparse_keras.layers.validation import boolean, number, optional_int, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class FeedForward(RemembersTuning, keras.layers.Layer):
    """Widens each token, applies an activation, and narrows it again; gated by default.

        y = (activation(x @ W_gate) * (x @ W_up)) @ W_down        with a gate
        y = activation(x @ W_up) @ W_down                         without

    It is what one expert of `GLUExperts` or `MLPExperts` computes, for dense blocks between sparse
    ones, and as a shared expert.

    Args:
        hidden_dim: H, the width in between.
        activation: Activation function.
        gated: Whether there is a gate, as in Llama (a gated linear unit), or not, as in GPT-2.
        use_bias: Whether each matrix has a bias.
        dropout: Rate of dropout on the hidden units, in training.
        kernel_initializer: Initializer of each matrix.
        kernel_regularizer: Regularizer of each matrix.
        seed: Seed of the dropout.

    Call arguments:
        inputs: `[..., D]`.
        training: Whether to apply dropout.

    Output shape:
        `[..., D]`. A mask is passed on.

    Example:

    >>> layer = sparse_keras.layers.FeedForward(hidden_dim=256)
    >>> layer(np.ones((2, 5, 64), "float32")).shape
    TensorShape([2, 5, 64])

    Reference:
        [GLU Variants Improve Transformer](https://arxiv.org/abs/2002.05202).
    """

    def __init__(
        self,
        hidden_dim: int,
        activation: Any = "silu",
        gated: bool = True,
        use_bias: bool = False,
        dropout: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.activation = activations.get(activation)
        self.gated = boolean("gated", gated)
        self.use_bias = boolean("use_bias", use_bias)
        self.dropout = number("dropout", dropout, "[0, 1]")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.seed = optional_int("seed", seed)
        self.supports_masking = True
        self.hidden_dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=self.dtype_policy
        )
        self.gate = self._dense("gate", self.hidden_dim, self.activation) if self.gated else None
        self.up = self._dense("up", self.hidden_dim, None if self.gated else self.activation)
        self.down = None  # Made in `build`, when the width of the input is known.

    def _dense(self, name, units, activation=None):
        return keras.layers.Dense(
            units,
            activation=activation,
            use_bias=self.use_bias,
            kernel_initializer=for_group(self.kernel_initializer, name, 0),
            kernel_regularizer=self.kernel_regularizer,
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple) -> None:
        self.down = self._dense("down", input_shape[-1])
        for layer in (self.gate, self.up):
            if layer is not None:
                layer.build(input_shape)
        hidden_shape = (*input_shape[:-1], self.hidden_dim)
        self.down.build(hidden_shape)
        self.hidden_dropout.build(hidden_shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        hidden = self.up(inputs)
        if self.gate is not None:
            hidden = self.gate(inputs) * hidden
        return self.down(self.hidden_dropout(hidden, training=training))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape)

    def flops_per_example(self, input_shape: tuple[int | None, ...]) -> int | None:
        """Counts the multiplications and additions of the matmuls for one example `[B, ..., D]`.

        Returns `None` if an axis is not static.
        """
        matrix = layer_flops(self.up, input_shape)
        return None if matrix is None else matrix * (3 if self.gated else 2)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "activation": keras.activations.serialize(self.activation),
            "gated": self.gated,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "seed": self.seed,
        }
