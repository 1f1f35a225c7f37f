"""QuantizedKernel: a layer whose kernel can be turned into 8-bit or 4-bit integers."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor
from sparse_keras.ops.quantized import QuantizedMatrices, in_halves, unpack_int4

MODES = ("int8", "int4")


@functools.cache  # What is compiled for one function serves all layers.
def _floats(is_int4: bool, block_size: int | None) -> Callable[..., Tensor]:
    """Returns the function that makes floats of integers; see `QuantizedMatrices`."""

    def floats(integers: Tensor, *of_blocks: Tensor, dtype: Any) -> Tensor:
        values = unpack_int4(integers, dtype) if is_int4 else ops.cast(integers, dtype)
        if not of_blocks:
            return values
        scale, zero = (
            ops.repeat(in_halves(ops.cast(part, dtype)), block_size, axis=-2) for part in of_blocks
        )
        rows = ops.shape(values)[-2]
        return (values - zero[..., :rows, :]) * scale[..., :rows, :]

    return floats


class QuantizedKernel:
    """Mixin of layers with a `kernel` `[A, B]` or `[E, A, B]`, for `quantize` as in Keras.

    Each matrix has scales of its own, one for each column; int4 by default one for each 128 rows of
    a column, and zero points (`keras.quantizers.Int4QuantizationConfig`). Numbers are those of
    Keras's Dense. Unlike there, inputs are not quantized in int8: the product is one of floats.

    Subclasses multiply by `quantized_matrices()` or `dequantized_kernel()` if `quantization_mode`
    is not None.

    Attributes:
        kernel: The integers: int8 `[..., A, B]`, or pairs of int4 `[..., A, ceil(B / 2)]`.
        kernel_scale: `[..., B]`, by which int8 values are divided; or `[..., G, B]` for G groups of
            rows, by which int4 values are multiplied.
        kernel_zero: int8 `[..., G, B]`, the value that stands for 0; or `None`.
        quantization_config: The `keras.quantizers.QuantizationConfig`, or `None`.
    """

    quantization_config: Any = None
    kernel_scale: keras.Variable | None = None
    kernel_zero: keras.Variable | None = None

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Turns the kernel into integers. It can no longer be trained; LoRA can be.

        Args:
            mode: `"int8"` or `"int4"`.
            type_check: Whether to leave a subclass as it is.
            config: Optional `keras.quantizers.QuantizationConfig`: its `weight_quantizer` and
                `block_size` count.

        Raises:
            ValueError: If the layer is not built, or is quantized already.
            NotImplementedError: If there is another `mode`, or a subclass.
        """
        name = f"{self.name!r} ({type(self).__name__})"
        if mode not in MODES:
            raise NotImplementedError(
                f"{name} can be quantized to {' or '.join(MODES)}. Received: mode={mode!r}."
            )
        if type_check and type(self) not in self._quantizable():
            raise NotImplementedError(
                f"{name} may compute something else than its base class, and stays as it is. Pass "
                "type_check=False if it does not."
            )
        kernel, dtype = self.kernel, self.kernel.dtype
        shape = tuple(kernel.shape)
        matrices = ops.convert_to_numpy(ops.cast(kernel, "float32")).reshape(-1, *shape[-2:])
        self.quantization_config = config
        keras_private.untrack_variable(self, kernel)
        self.add_quantized_kernel(mode, kernel.name, shape, self._block_size(mode), dtype)
        self._assign_quantized(mode, matrices)
        keras_private.set_quantized(self, self._policy_name(mode))

    @staticmethod
    def _quantizable() -> tuple[type, ...]:
        """The classes that are known to multiply by their kernel alone."""
        raise NotImplementedError

    def _block_size(self, mode: str) -> int | None:
        """The rows of a group with one scale in int4; `None` for one scale for each column."""
        if mode != "int4":
            return None
        size = getattr(self.quantization_config, "block_size", None)
        if self.quantization_config is None:  # Made from the config of a quantized layer.
            size = getattr(self.dtype_policy, "block_size", None)
        return size if size and size > 0 else None

    def _policy_name(self, mode: str) -> str:
        prefix = f"int4/{self._block_size(mode) or -1}" if mode == "int4" else mode
        return f"{prefix}_from_{self.dtype_policy.name}"

    def add_quantized_kernel(
        self, mode: str, name: str, shape: tuple, block_size: int | None, dtype: Any = None
    ) -> None:
        """Makes the weights of a quantized kernel.

        Args:
            mode: `"int8"` or `"int4"`.
            name: Name of the kernel.
            shape: Its shape in floats, `[..., A, B]`.
            block_size: See `keras.quantizers.Int4QuantizationConfig`; or `None`.
            dtype: Of the scales.
        """
        *groups, height, width = shape
        self._float_kernel_shape = tuple(shape)
        self._kernel_block_size = block_size

        def add(suffix: str, shape: tuple, initializer: str, dtype: Any) -> keras.Variable:
            return self.add_weight(
                name=name + suffix,
                shape=(*groups, *shape),
                initializer=initializer,
                dtype=dtype,
                trainable=False,
            )

        stored = width if mode == "int8" else (width + 1) // 2
        self.kernel = add("", (height, stored), "zeros", "int8")
        if block_size is None:
            self.kernel_scale = add("_scale", (width,), "ones", dtype)
            return
        blocks = math.ceil(height / block_size)
        self.kernel_scale = add("_scale", (blocks, width), "ones", dtype)
        self.kernel_zero = add("_zero", (blocks, width), "zeros", "int8")

    def _assign_quantized(self, mode: str, matrices: np.ndarray) -> None:
        """Quantizes float matrices `[E, A, B]` one by one, with Keras's functions."""
        columns = []
        for matrix in matrices:
            if self._kernel_block_size is not None:
                values = keras.quantizers.abs_max_quantize_grouped_with_zero_point(
                    matrix, block_size=self._kernel_block_size, to_numpy=True
                )
            else:
                values = self._weight_quantizer(mode)(matrix, to_numpy=True)
                values = (values[0], ops.reshape(values[1], (-1,)))
            integers, *others = values
            if mode == "int4":
                integers, _, _ = keras.quantizers.pack_int4(integers, axis=-1)
            columns.append([ops.convert_to_numpy(value) for value in (integers, *others)])
        variables = (self.kernel, self.kernel_scale, self.kernel_zero)
        for variable, values in zip(variables, zip(*columns, strict=True), strict=False):
            variable.assign(np.stack(values).reshape(variable.shape))

    def _weight_quantizer(self, mode: str) -> Any:
        given = getattr(self.quantization_config, "weight_quantizer", None)
        if given is not None:
            return given
        limits = (-127, 127) if mode == "int8" else (-8, 7)
        return keras.quantizers.AbsMaxQuantizer(axis=0, value_range=limits, output_dtype="int8")

    def quantized_matrices(self) -> QuantizedMatrices:
        """Returns what multiplies the rows of groups; see `ops.quantized`."""
        *_, height, width = self._float_kernel_shape
        is_int4, block_size = self.quantization_mode == "int4", self._kernel_block_size
        floats = _floats(is_int4, block_size)
        integers, scale = map(ops.convert_to_tensor, (self.kernel, self.kernel_scale))
        if block_size is None:
            return QuantizedMatrices(height, width, (integers,), floats, scale, halves=is_int4)
        zero = ops.convert_to_tensor(self.kernel_zero)
        return QuantizedMatrices(height, width, (integers, scale, zero), floats, halves=is_int4)

    def dequantized_kernel(self, dtype: Any = None) -> Tensor:
        """Returns the kernel in floats, of all groups."""
        matrices = self.quantized_matrices()
        dtype = dtype or self.compute_dtype
        kernel = matrices.interleaved(matrices.floats(*matrices.parts, dtype=dtype))
        if matrices.divisor is not None:
            kernel = kernel / ops.cast(matrices.divisor, dtype)[..., None, :]
        return kernel

    # For LoRA.

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        if self.quantization_mode is None:
            return tuple(self.kernel.shape)
        return self._float_kernel_shape

    def _add_to_kernel(self, update: Any) -> None:
        if self.quantization_mode is None:
            super()._add_to_kernel(update)
            return
        kernel = ops.convert_to_numpy(self.dequantized_kernel("float32")) + update
        self._assign_quantized(
            self.quantization_mode, kernel.reshape(-1, *self._float_kernel_shape[-2:])
        )

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)  # Which looks at the mode itself.
