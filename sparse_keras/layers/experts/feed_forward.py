"""FeedForwardExperts: the base class of MLPExperts and GLUExperts."""

from typing import Any

import keras

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers import activations
from sparse_keras.layers.experts.base import Experts
from sparse_keras.layers.experts.grouped_dense import GroupedDense
from sparse_keras.layers.validation import (
    boolean,
    number,
    optional_int,
    optional_positive_int,
    positive_int,
)
from sparse_keras.ops import group_rows


class FeedForwardExperts(Experts):
    """Base class of experts with a hidden layer, dropout, and a matrix to the output width.

    Subclasses write `build_hidden(input_shape)`, and `call_grouped_hidden(rows)`, which computes
    the hidden layer from grouped rows to grouped rows.
    """

    def __init__(
        self,
        num_experts: int,
        hidden_dim: int,
        activation: Any,
        use_bias: bool,
        output_dim: int | None = None,
        dropout: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts, **kwargs)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.activation = activations.get(activation)
        self.use_bias = boolean("use_bias", use_bias)
        self.output_dim = optional_positive_int("output_dim", output_dim)
        self.dropout = number("dropout", dropout, "[0, 1]")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.seed = optional_int("seed", seed)
        self.hidden_dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=self.dtype_policy
        )
        self.down = None  # Made in `build`, when the width of the input is known.

    def _grouped(self, role: str, units: int, activation: Any = None) -> GroupedDense:
        """Makes a GroupedDense with the arguments that all matrices of this bank share."""
        return GroupedDense(
            self.num_experts,
            units,
            activation=activation,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            role=f"expert_{role}",
            name=role,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple) -> None:
        self.build_hidden(input_shape)
        self.down = self._grouped("down", self.output_width(input_shape[-1]))
        self.down.build((input_shape[0], self.hidden_dim))
        self.built = True

    def call(self, inputs: Tensor, group_sizes: Tensor, training: bool | None = None) -> Tensor:
        hidden = self.call_grouped_hidden(group_rows(inputs, group_sizes))
        if self.dropout > 0 and training:
            hidden = hidden.map_whole(lambda rows: self.hidden_dropout(rows, training=True))
        return self.down.call_grouped(hidden).join()

    def output_width(self, input_dim: int) -> int:
        return input_dim if self.output_dim is None else self.output_dim

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "activation": keras.activations.serialize(self.activation),
            "output_dim": self.output_dim,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "seed": self.seed,
        }
