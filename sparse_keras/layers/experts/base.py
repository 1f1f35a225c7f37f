"""Experts: the base class of expert banks."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.lora import LoraKernel
from sparse_keras.layers.quantized_kernel import QuantizedKernel
from sparse_keras.layers.tuned_parts import RemembersTuning
from sparse_keras.layers.validation import positive_int


class Experts(RemembersTuning, keras.layers.Layer):
    """Base class of expert banks: E experts of the same shape, computed together.

    A bank does not know about routing. Its inputs are rows sorted by expert and the number of rows
    of each expert; its output has one row for each.

    Subclasses write `build(input_shape)`, `call(inputs, group_sizes, training=None)`,
    `output_width(input_dim)`, `flops_per_row(input_dim)` and `get_config()`.

    The attribute `route_by` says what a row is: a `"token"`, `[D]`, or an `"example"`, `[..., D]`.

    Args:
        num_experts: E.

    Call arguments:
        inputs: `[M, D]`, rows sorted by expert.
        group_sizes: Int `[E]`, rows of each expert; the sum is at most M.
        training: Whether the call is part of training.

    Output shape:
        `[M, output_dim]`. Rows past the sum of `group_sizes` are undefined.
    """

    route_by = "token"

    def __init__(self, num_experts: int, **kwargs: Any) -> None:
        if kwargs.get("activity_regularizer") is not None:
            raise ValueError(
                f"{type(self).__name__} takes no `activity_regularizer`: it would count rows that "
                "no expert computes. Regularize the output of the layer around it instead."
            )
        super().__init__(**kwargs)
        self.num_experts = positive_int("num_experts", num_experts)

    def call_every(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Computes every expert on every row: `[N, D]` -> `[N, E, output_dim]`."""
        rows = ops.shape(inputs)[0]
        tiled = ops.tile(inputs, (self.num_experts, 1))
        sizes = ops.broadcast_to(ops.cast(rows, "int32"), (self.num_experts,))
        outputs = self(tiled, sizes, training=training)
        outputs = ops.reshape(outputs, (self.num_experts, rows, outputs.shape[-1]))
        return ops.transpose(outputs, (1, 0, 2))

    def output_width(self, input_dim: int) -> int:
        """Returns the width of the output for inputs of width `input_dim`."""
        raise NotImplementedError

    def flops_per_row(self, input_dim: int) -> int:
        """Returns the multiplications and additions of one expert's matmuls for one row."""
        raise NotImplementedError

    def active_params(self, experts_per_token: float) -> int:
        """Returns the mean number of weights that one token is computed with.

        Args:
            experts_per_token: Mean number of experts computed per token.
        """
        return int(self.count_params() * experts_per_token / self.num_experts)

    # LoRA. A bank with kernels of its own, such as TiedExperts, is a LoraKernel itself.

    def lora_kernels(self) -> list[LoraKernel]:
        """Returns the layers inside the bank whose kernels LoRA can update."""
        parts = [part for part in keras_private.all_layers(self) if part is not self]
        return [part for part in parts if isinstance(part, LoraKernel)]

    @property
    def lora_enabled(self) -> bool:
        """Whether LoRA is enabled in a matrix of the bank."""
        return any(part.lora_enabled for part in self.lora_kernels())

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the matrices of all experts, and gives each its own update of low rank.

            x @ kernel_e + alpha / rank * (x @ A_e) @ B_e

        as `keras.layers.Dense.enable_lora` does for one matrix. Only the experts that get a row
        are computed, the update included.

        Args:
            rank: Rank of the update of one matrix.
            lora_alpha: The update is scaled by `lora_alpha / rank`. `None` means `rank`.
            a_initializer: Initializer of one matrix A, drawn separately for each expert.
            b_initializer: Initializer of one matrix B.

        Raises:
            ValueError: If the bank is not built, or has LoRA already.
            NotImplementedError: If the bank does not support LoRA.
        """
        parts = self.lora_kernels()
        if not self.built:
            raise ValueError(
                f"Build {self.name!r} ({type(self).__name__}) before `enable_lora`: the bank has "
                "no weights yet."
            )
        if not parts:
            raise NotImplementedError(
                f"{self.name!r} ({type(self).__name__}) does not support LoRA: it has no matrices "
                "that are GroupedDense layers."
            )
        if self.lora_enabled:
            ranks = {part.name: part.lora_rank for part in parts if part.lora_enabled}
            raise ValueError(
                f"LoRA is already enabled in {self.name!r} ({type(self).__name__}): ranks {ranks}. "
                "Call `merge_lora()` before you enable it again."
            )
        for part in parts:
            part.enable_lora(rank, lora_alpha, a_initializer, b_initializer)

    def merge_lora(self) -> None:
        """Adds the updates of LoRA to the matrices, and removes them.

        Raises:
            ValueError: If LoRA is not enabled.
        """
        if not self.lora_enabled:
            raise ValueError(
                f"LoRA is not enabled in {self.name!r} ({type(self).__name__}). Nothing to merge."
            )
        for part in self.lora_kernels():
            if part.lora_enabled:
                part.merge_lora()

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Turns the matrices of all experts into integers, as `keras.Model.quantize` does.

        Each matrix has scales of its own, one for each column.

        Args:
            mode: `"int8"` or `"int4"`.
            type_check: Whether to leave parts of the bank as they are whose class is a subclass.
            config: Optional `keras.quantizers.QuantizationConfig`.

        Raises:
            ValueError: If the bank is not built, or is quantized already.
            NotImplementedError: If the bank cannot be quantized, or not in this mode.
        """
        parts = [part for part in self.lora_kernels() if isinstance(part, QuantizedKernel)]
        if not parts:
            raise NotImplementedError(
                f"{self.name!r} ({type(self).__name__}) cannot be quantized: it has no matrices "
                "that are GroupedDense layers."
            )
        for part in parts:
            part.quantize(mode, config=config, type_check=type_check)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.output_width(input_shape[-1]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_experts": self.num_experts}


def check_takes_tokens(layer: keras.layers.Layer, experts: Experts) -> Experts:
    """Returns a bank if its experts get tokens.

    Raises:
        ValueError: If they get whole examples, which only a MixtureOfExperts routes.
    """
    if experts.route_by != "token":
        raise ValueError(
            f"{type(layer).__name__} gives tokens to its experts. Received: {experts.name!r}, "
            "whose experts need whole examples. Only MixtureOfExperts routes those."
        )
    return experts
