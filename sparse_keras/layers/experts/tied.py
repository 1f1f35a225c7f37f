"""TiedExperts: all experts share one matrix, and each scales its rows and columns."""

import math
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers import activations
from sparse_keras.layers.experts.base import Experts
from sparse_keras.layers.initializers import per_group
from sparse_keras.layers.lora import LoraKernel
from sparse_keras.layers.quantized_kernel import QuantizedKernel
from sparse_keras.layers.validation import boolean, positive_int
from sparse_keras.ops import expand_groups


@keras.saving.register_keras_serializable(package="sparse_keras")
class TiedExperts(QuantizedKernel, LoraKernel, Experts):
    """Experts that share one matrix, each with its own rank-1 scaling and bias.

        y = activation(((x * r_e) @ kernel) * s_e + bias_e)

    which is a densely connected layer with the matrix `kernel * outer(r_e, s_e)`. One expert adds
    `D + 2 * units` weights instead of `D * units`.

    Args:
        num_experts: E.
        units: Width of the output.
        activation: Activation function of the experts.
        use_bias: Whether each expert adds a bias.
        kernel_initializer: Initializer of the shared matrix.
        scale_initializer: Initializer of one expert's scalings `r` and `s`. `None` draws them from
            a normal distribution with mean 1 and standard deviation 0.5, so that experts differ.
        bias_initializer: Initializer of one expert's bias.
        kernel_regularizer: Regularizer of the shared matrix.

    `enable_lora(rank)` updates the shared matrix by one pair of matrices, which all experts share.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert.
        group_sizes: Int `[E]`, rows of each expert.

    Output shape:
        `[M, units]`.

    Example:

    >>> experts = sparse_keras.layers.TiedExperts(num_experts=16, units=64)
    >>> layer = sparse_keras.layers.MixtureOfExperts(experts, k=2)
    >>> layer(np.ones((5, 100), "float32")).shape
    TensorShape([5, 64])
    >>> experts.count_params()  # 16 separate matrices would have 103,424.
    10048

    Reference:
        [BatchEnsemble](https://arxiv.org/abs/2002.06715), equation 5;
        [TabM](https://arxiv.org/abs/2410.24210) for tables.
    """

    def __init__(
        self,
        num_experts: int,
        units: int,
        activation: Any = "relu",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        scale_initializer: Any = None,
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts, **kwargs)
        self.units = positive_int("units", units)
        self.activation = activations.get(activation)
        self.use_bias = boolean("use_bias", use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        if scale_initializer is None:
            scale_initializer = keras.initializers.RandomNormal(mean=1.0, stddev=0.5)
        self.scale_initializer = keras.initializers.get(scale_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple) -> None:
        self.kernel = self.add_weight(
            name="expert_shared_kernel",
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.input_scale = self._add_vectors("input_scale", input_shape[-1], self.scale_initializer)
        self.output_scale = self._add_vectors("output_scale", self.units, self.scale_initializer)
        self.bias = None
        if self.use_bias:
            self.bias = self._add_vectors("bias", self.units, self.bias_initializer)
        self.built = True

    def _add_vectors(self, kind: str, width: int, initializer: Any) -> keras.Variable:
        name = f"expert_{kind}"
        return self.add_weight(
            name=name,
            shape=(self.num_experts, width),
            initializer=per_group(initializer, name),
        )

    @staticmethod
    def _quantizable() -> tuple[type, ...]:
        return (TiedExperts,)

    def _multiplied(self, inputs: Tensor) -> Tensor:
        """Returns the product of inputs and the shared matrix, with the update of LoRA."""
        is_float = self.quantization_mode is None
        kernel = self.kernel if is_float else self.dequantized_kernel()
        return self.add_lora_update(ops.matmul(inputs, kernel), inputs)

    def call(self, inputs: Tensor, group_sizes: Tensor, training: bool | None = None) -> Tensor:
        rows = ops.shape(inputs)[0]
        inputs = inputs * expand_groups(self.input_scale, group_sizes, rows)
        outputs = self._multiplied(inputs) * expand_groups(self.output_scale, group_sizes, rows)
        if self.bias is not None:
            outputs = outputs + expand_groups(self.bias, group_sizes, rows)
        return self.activation(outputs)

    def call_every(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        # As `call`, but without looking up the scalings of each row.
        outputs = self._multiplied(ops.expand_dims(inputs, 1) * self.input_scale)
        outputs = outputs * self.output_scale
        return self.activation(outputs if self.bias is None else outputs + self.bias)

    def output_width(self, input_dim: int) -> int:
        return self.units

    def flops_per_row(self, input_dim: int) -> int:
        return 2 * input_dim * self.units

    def active_params(self, experts_per_token: float) -> int:
        shared = math.prod(self.kernel_shape)
        return shared + int((self.count_params() - shared) * experts_per_token / self.num_experts)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "scale_initializer": keras.initializers.serialize(self.scale_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
