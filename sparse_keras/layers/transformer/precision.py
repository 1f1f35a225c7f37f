"""The dtype of what half precision would spoil."""

from typing import Any

import keras


def at_least_float32(dtype: Any) -> str:
    """Returns `"float64"` for float64 and `"float32"` for every other dtype.

    `keras.backend.result_type` makes float32 of float64 on PyTorch and JAX.
    """
    return "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"
