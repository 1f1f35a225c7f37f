"""The hidden units of an expert in the order of another's.

Experts with the same units in another order compute the same, but their mean does not. So units are
matched before experts are averaged.
"""

from __future__ import annotations

import keras
import numpy as np

from sparse_keras.models.feed_forward_matrices import MATRICES, float32_array


def weights_of(bank: keras.layers.Layer) -> dict[str, np.ndarray]:
    """Returns the weights of a bank, or a layer, with hidden units as float32 arrays, by name.

    Names are `"gate"`, if there is one, `"up"` and `"down"`, and these with `"_bias"`.
    """
    weights = {}
    for name in MATRICES:
        layer = getattr(bank, name, None)
        if layer is not None:
            weights[name] = float32_array(layer.kernel)
            if layer.bias is not None:
                weights[f"{name}_bias"] = float32_array(layer.bias)
    return weights


def aligned(weights: dict[str, np.ndarray], target: int) -> dict[str, np.ndarray]:
    """Returns the weights with the units of all experts in the order that is best for one of them.

    Args:
        weights: What `weights_of` returns.
        target: The number of the expert whose order it is.

    Reference:
        [Git Re-Basin](https://arxiv.org/abs/2209.04836), section 3.2, for matching by weights.
    """
    from scipy.optimize import linear_sum_assignment  # Slow to import.

    units = _units(weights)
    permuted = {name: values.copy() for name, values in weights.items()}
    for e in range(len(units)):
        if e == target:
            continue
        _, order = linear_sum_assignment(units[target] @ units[e].T, maximize=True)
        for name, values in weights.items():
            if name == "down":
                permuted[name][e] = values[e][order]
            elif name != "down_bias":
                permuted[name][e] = values[e][..., order]
    return permuted


def _units(weights: dict[str, np.ndarray]) -> np.ndarray:
    """Returns what is known of each hidden unit of each expert, `[E, H, numbers]`."""
    parts = []
    for name, values in weights.items():
        if name == "down":
            parts.append(values)
        elif name in ("gate", "up"):
            parts.append(values.swapaxes(1, 2))
        elif name != "down_bias":
            parts.append(values[..., None])
    return np.concatenate(parts, axis=-1)
