"""DenseExperts: one matrix and an activation."""

from typing import Any

import keras

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers import activations
from sparse_keras.layers.experts.base import Experts
from sparse_keras.layers.experts.grouped_dense import GroupedDense
from sparse_keras.layers.validation import boolean, positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class DenseExperts(Experts):
    """Experts that are one densely connected layer each.

        y = activation(x @ kernel_e + bias_e)

    Args:
        num_experts: E.
        units: Width of the output.
        activation: Activation function of the experts.
        use_bias: Whether each expert adds a bias.
        kernel_initializer: Initializer of one expert's matrix, drawn separately for each expert.
        bias_initializer: Initializer of one expert's bias.
        kernel_regularizer: Regularizer of one expert's matrix; the losses are summed.
        bias_regularizer: Regularizer of one expert's bias; the losses are summed.
        kernel_constraint: Constraint on one expert's matrix.
        bias_constraint: Constraint on one expert's bias.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert.
        group_sizes: Int `[E]`, rows of each expert.

    Output shape:
        `[M, units]`.

    Example:

    >>> experts = sparse_keras.layers.DenseExperts(num_experts=16, units=64)
    >>> layer = sparse_keras.layers.MixtureOfExperts(experts, k=2)
    >>> layer(np.ones((5, 100), "float32")).shape
    TensorShape([5, 64])
    """

    def __init__(
        self,
        num_experts: int,
        units: int,
        activation: Any = "relu",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts, **kwargs)
        self.units = positive_int("units", units)
        self.activation = activations.get(activation)
        self.use_bias = boolean("use_bias", use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.dense = GroupedDense(
            num_experts,
            units,
            activation=self.activation,
            use_bias=use_bias,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            role="expert",
            name="dense",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple) -> None:
        self.dense.build(input_shape)
        self.built = True

    def call(self, inputs: Tensor, group_sizes: Tensor, training: bool | None = None) -> Tensor:
        return self.dense(inputs, group_sizes)

    def output_width(self, input_dim: int) -> int:
        return self.units

    def flops_per_row(self, input_dim: int) -> int:
        return 2 * input_dim * self.units

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }
