"""QuantizedMatrices: integers and scales in place of matrices, one for each group.

Integers are turned into floats where a matmul needs them, one group at a time, so that the whole
bank is never there in floats. Inputs stay floats: on CPUs a product of integers is not faster, and
rounding the inputs, too, would cost accuracy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class QuantizedMatrices:
    """A bank of quantized matrices `[E, A, B]`, for `GroupedRows.matmul_quantized`.

        y[i] = interleaved(x[i] @ floats(parts of group g)) / divisor[g]

    Args:
        height: A.
        width: B.
        parts: Tensors `[E, ...]` that the matrices are made of. Along its second axis, the first
            one has A rows; the others may have fewer.
        floats: Function of some groups' parts and a dtype: `[..., A, ...]` to `[..., A, B]`. If it
            gets only the first rows of the first part, it returns as many.
        divisor: Float `[E, B]`, by which products are divided; or `None`.
        halves: Whether `floats` returns the columns 0, 2, 4, ... before 1, 3, 5, ..., and one more
            if B is odd, as pairs of int4 come out. It is cheaper to order products than matrices.
    """

    height: int
    width: int
    parts: tuple[Any, ...]
    floats: Callable[..., Any]
    divisor: Any = None
    halves: bool = False

    @property
    def num_groups(self) -> int:
        return self.parts[0].shape[0]

    def interleaved(self, values: Any) -> Any:
        """Puts columns, as `floats` returns them, in their order: `[..., B]`."""
        if not self.halves:
            return values
        *leading, width = ops.shape(values)
        pairs = ops.reshape(values, (*leading, 2, width // 2))
        return ops.reshape(ops.swapaxes(pairs, -1, -2), (*leading, width))[..., : self.width]

    def in_halves(self, values: Any) -> Any:
        """The inverse of `interleaved`."""
        return in_halves(values) if self.halves else values


def in_halves(values: Any) -> Any:
    """Puts the columns 0, 2, 4, ... before 1, 3, 5, ..., and 0 last if their number is odd."""
    even, odd = values[..., ::2], values[..., 1::2]
    if even.shape[-1] != odd.shape[-1]:
        odd = ops.concatenate([odd, ops.zeros_like(even[..., :1])], axis=-1)
    return ops.concatenate([even, odd], axis=-1)


def unpack_int4(packed: Any, dtype: Any) -> Any:
    """Returns the values of pairs of int4 `[..., A, ceil(B / 2)]`: all first ones, then the second.

    The format is that of `keras.quantizers.pack_int4(values, axis=-1)`: the lower half of a byte
    comes first. (Keras's own function, and shifts of bytes, take several times as long.)
    """
    values = ops.cast(packed, dtype)  # 16 * second + (first modulo 16)
    second = ops.floor(values * (1 / 16))
    first = values - 16 * second
    first = first - 16 * ops.floor(first * (1 / 8))
    return ops.concatenate([first, second], axis=-1)
