"""LowRankExperts: the experts of DCN-V2's cross layers."""

from typing import Any

import keras

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers import activations
from sparse_keras.layers.experts.base import Experts
from sparse_keras.layers.experts.grouped_dense import GroupedDense
from sparse_keras.layers.validation import optional_positive_int, positive_int
from sparse_keras.ops import group_rows


@keras.saving.register_keras_serializable(package="sparse_keras")
class LowRankExperts(Experts):
    """Experts that are a low-rank matrix each, with a nonlinear map between its two factors.

        y = activation(activation(x @ reduce_e) @ core_e) @ expand_e

    One expert has `R * (D + R + output_dim)` weights.

    Args:
        num_experts: E.
        rank: R, the width between the factors.
        activation: Activation function of the two hidden layers.
        output_dim: Width of the output. `None` means that of the input.
        kernel_initializer: Initializer of one expert's matrix, drawn separately for each expert and
            each matrix.
        kernel_regularizer: Regularizer of one expert's matrix; the losses are summed.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert.
        group_sizes: Int `[E]`, rows of each expert.

    Output shape:
        `[M, output_dim]`.

    Example:

    >>> experts = sparse_keras.layers.LowRankExperts(num_experts=4, rank=16)
    >>> layer = sparse_keras.layers.MixtureOfExperts(experts, router="dense")
    >>> layer(np.ones((5, 64), "float32")).shape
    TensorShape([5, 64])

    Reference:
        [DCN V2](https://arxiv.org/abs/2008.13535), section 3.3: `V`, `C` and `U` are `reduce`,
        `core` and `expand` here.
    """

    def __init__(
        self,
        num_experts: int,
        rank: int,
        activation: Any = "tanh",
        output_dim: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_experts, **kwargs)
        self.rank = positive_int("rank", rank)
        self.activation = activations.get(activation)
        self.output_dim = optional_positive_int("output_dim", output_dim)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.reduce = self._grouped("reduce", self.rank, self.activation)
        self.core = self._grouped("core", self.rank, self.activation)
        self.expand = None  # Made in `build`, when the width of the input is known.

    def _grouped(self, role: str, units: int, activation: Any = None) -> GroupedDense:
        return GroupedDense(
            self.num_experts,
            units,
            activation=activation,
            use_bias=False,
            kernel_initializer=self.kernel_initializer,
            kernel_regularizer=self.kernel_regularizer,
            role=f"expert_{role}",
            name=role,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple) -> None:
        self.reduce.build(input_shape)
        self.core.build((input_shape[0], self.rank))
        self.expand = self._grouped("expand", self.output_width(input_shape[-1]))
        self.expand.build((input_shape[0], self.rank))
        self.built = True

    def call(self, inputs: Tensor, group_sizes: Tensor, training: bool | None = None) -> Tensor:
        rows = group_rows(inputs, group_sizes)
        for layer in (self.reduce, self.core, self.expand):
            rows = layer.call_grouped(rows)
        return rows.join()

    def output_width(self, input_dim: int) -> int:
        return input_dim if self.output_dim is None else self.output_dim

    def flops_per_row(self, input_dim: int) -> int:
        return 2 * self.rank * (input_dim + self.rank + self.output_width(input_dim))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rank": self.rank,
            "activation": keras.activations.serialize(self.activation),
            "output_dim": self.output_dim,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
