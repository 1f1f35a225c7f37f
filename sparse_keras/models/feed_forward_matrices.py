"""The matrices of a feed-forward layer, or of a bank of such layers, by name.

`upcycling` makes experts from them, `compression` makes other experts and dense layers.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

# `gate` is missing where there is no gate.
MATRICES = ("gate", "up", "down")


def float32_array(variable: Any) -> np.ndarray:
    """Returns a variable or tensor of any float dtype as a float32 array."""
    return np.asarray(keras.ops.convert_to_numpy(variable), "float32")
