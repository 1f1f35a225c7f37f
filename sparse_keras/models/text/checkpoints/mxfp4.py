"""MXFP4, in which gpt-oss is published: 32 numbers of 4 bits share a power of two.

Reference:
    [OCP Microscaling Formats](https://arxiv.org/abs/2310.10537), section 2.
"""

import numpy as np

# Sign, two bits of exponent, one of mantissa.
_POSITIVE = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_VALUES = np.array([*_POSITIVE, *(-value for value in _POSITIVE)], "float32")


def unpacked(blocks: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Returns the numbers of blocks.

    Args:
        blocks: Uint8 `[..., G, 16]`, two numbers in each byte, the first in its lower bits.
        scales: Uint8 `[..., G]`, exponents of two plus 127.

    Returns:
        Float32 `[..., G * 32]`; bfloat16 would hold the same numbers.
    """
    values = np.empty((*blocks.shape, 2), "float32")
    values[..., 0] = _VALUES[blocks & 0x0F]
    values[..., 1] = _VALUES[blocks >> 4]
    values = values.reshape(*blocks.shape[:-1], -1)
    values = np.ldexp(values, scales.astype("int32")[..., None] - 127)
    return values.reshape(*scales.shape[:-1], -1)
