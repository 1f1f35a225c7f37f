"""GroupedDense: a densely connected layer for each group of rows."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers import activations
from sparse_keras.layers.initializers import per_group
from sparse_keras.layers.lora import LoraKernel
from sparse_keras.layers.quantized_kernel import MODES, QuantizedKernel
from sparse_keras.layers.tuned_parts import RemembersTuning
from sparse_keras.layers.validation import boolean, positive_int
from sparse_keras.ops import group_rows


@keras.saving.register_keras_serializable(package="sparse_keras")
class GroupedDense(QuantizedKernel, LoraKernel, RemembersTuning, keras.layers.Layer):
    """A densely connected layer for each group of rows.

        y[i] = activation(x[i] @ kernel[g] + bias[g])    for the group g that row i is in

    Args:
        num_groups: E, the number of groups.
        units: Width of the output.
        activation: Activation function, as in `keras.layers.Dense`.
        use_bias: Whether each group adds a bias.
        kernel_initializer: Initializer of one group's `[D, units]` matrix. Each group's matrix is
            drawn separately, even if the initializer has an integer seed.
        bias_initializer: Initializer of one group's bias.
        kernel_regularizer: Regularizer of one group's matrix; the losses are summed.
        bias_regularizer: Regularizer of one group's bias; the losses are summed.
        kernel_constraint: Constraint on one group's matrix.
        bias_constraint: Constraint on one group's bias.
        role: Optional string, what the weights are for. It prefixes their names (role
            `"expert_up"` gives `expert_up_kernel`) and is part of each group's seed.

    Call arguments:
        inputs: `[M, D]`, rows sorted by group.
        group_sizes: Int `[E]`, rows of each group; the sum is at most M.

    Output shape:
        `[M, units]`. Rows past the sum of `group_sizes` are undefined.

    Example:

    >>> layer = sparse_keras.layers.GroupedDense(num_groups=3, units=4)
    >>> layer(np.ones((5, 2), "float32"), np.array([2, 0, 3])).shape
    TensorShape([5, 4])
    """

    def __init__(
        self,
        num_groups: int,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        role: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_groups = positive_int("num_groups", num_groups)
        self.units = positive_int("units", units)
        self.activation = activations.get(activation)
        self.use_bias = boolean("use_bias", use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        if role is not None and not isinstance(role, str):
            raise ValueError(f"`role` must be None or a string. Received: role={role!r}.")
        self.role = role

    def build(self, input_shape: tuple) -> None:
        shape = (input_shape[-1], self.units)
        if self.quantization_mode is None:
            self.kernel = self._add_bank("kernel", shape)
        self.bias = self._add_bank("bias", (self.units,)) if self.use_bias else None
        if self.quantization_mode is not None:
            self._add_quantized(shape)
        self.built = True

    def _add_quantized(self, shape: tuple) -> None:
        """Makes the kernel of a layer whose dtype policy says that it is quantized."""
        mode = self.quantization_mode
        if mode not in MODES:
            raise ValueError(
                f"{type(self).__name__} can be quantized to {' or '.join(MODES)}. Received: "
                f"dtype={self.dtype_policy.name!r}."
            )
        name = f"{self.role}_kernel" if self.role else "kernel"
        self.add_quantized_kernel(mode, name, (self.num_groups, *shape), self._block_size(mode))
        keras_private.mark_quantized(self)

    @staticmethod
    def _quantizable() -> tuple[type, ...]:
        return (GroupedDense,)

    def _add_bank(self, kind: str, shape: tuple) -> keras.Variable:
        """Adds a weight, `"kernel"` or `"bias"`, with one slice of `shape` for each group."""
        name = f"{self.role}_{kind}" if self.role else kind
        regularizer = getattr(self, f"{kind}_regularizer")
        constraint = getattr(self, f"{kind}_constraint")
        return self.add_weight(
            name=name,
            shape=(self.num_groups, *shape),
            initializer=per_group(getattr(self, f"{kind}_initializer"), name),
            regularizer=regularizer and EachGroup(regularizer, reduce=ops.sum),
            constraint=constraint and EachGroup(constraint),
        )

    def call(self, inputs: Tensor, group_sizes: Tensor) -> Tensor:
        return self.call_grouped(group_rows(inputs, group_sizes)).join()

    def call_grouped(self, rows: Any) -> Any:
        """Computes the same as `call`, from grouped rows to grouped rows (see `ops.group_rows`).

        A bank of several layers calls this, so that rows are grouped once for all its layers.
        """
        if self.quantization_mode is None:
            products = rows.matmul(self.kernel)
        else:
            products = rows.matmul_quantized(self.quantized_matrices())
        if self.lora_enabled:
            # Two thin products for each row. Merged kernels would be made of all experts.
            update = rows.matmul(self.lora_kernel_a).matmul(self.lora_kernel_b)
            products = products.map(self._sum_with_update, update)
        if self.bias is not None:
            products = products.add(self.bias)
        return products.map(self.activation)

    def _sum_with_update(self, product: Tensor, update: Tensor) -> Tensor:
        return product + ops.cast(self.lora_scale * update, product.dtype)

    def _lora_regularizer(self) -> Any:
        return self.kernel_regularizer and EachGroup(self.kernel_regularizer, reduce=ops.sum)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_groups": self.num_groups,
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "role": self.role,
        }


class EachGroup:
    """Applies a regularizer or constraint to the weight of each group by itself."""

    def __init__(self, function: Callable, reduce: Callable | None = None) -> None:
        self.function = function
        self.reduce = reduce

    def __call__(self, bank: Tensor) -> Tensor:
        values = ops.vectorized_map(self.function, ops.convert_to_tensor(bank))
        return self.reduce(values) if self.reduce else values
