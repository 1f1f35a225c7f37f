"""Arrays that become weights without a copy."""

from typing import Any

import ml_dtypes
import numpy as np

# TensorFlow and JAX take over the memory of an array that begins at such an address; they copy
# others, which NumPy's own are.
_ALIGNMENT = 64


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Returns an array of any values, whose first number is aligned."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype="int64")) * dtype.itemsize
    buffer = np.empty(size + _ALIGNMENT, "uint8")
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size].view(dtype).reshape(shape)


def is_like_new(array: np.ndarray) -> bool:
    """Whether an array could be one of `empty`, which no one else reads."""
    flags = array.flags
    return flags.writeable and flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0


def numpy_dtype(name: str) -> np.dtype:
    """Returns NumPy's dtype for the name of one of Keras's."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
