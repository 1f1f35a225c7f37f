"""The weights of experts that are made from a dense feed-forward layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from sparse_keras.models.feed_forward_matrices import MATRICES
from sparse_keras.upcycling.feed_forward import DenseFeedForward


def fill_experts(
    bank: Any,
    dense: DenseFeedForward,
    split: int,
    factor: float,
    noise: float,
    reinitialize: float,
    rng: np.random.Generator,
) -> None:
    """Sets the weights of a bank by those of a feed-forward layer.

    Expert e is part e mod `split` of the hidden units; the bias of the output is shared out among
    the parts, so that the parts of one copy add up to the dense layer.

    Args:
        bank: The bank, built, of `hidden_dim` H / split.
        dense: The feed-forward layer.
        split: g, the number of parts.
        factor: Factor of the outputs of all experts.
        noise: Standard deviation of the noise on each matrix, in standard deviations of its values.
        reinitialize: Share of each expert's hidden units that are drawn again.
        rng: What noise and draws come from.
    """
    kernels, biases = dense.values()
    spread = {name: (float(kernel.mean()), float(kernel.std())) for name, kernel in kernels.items()}
    parts = {
        # [D, H] -> [D, g, h], and [H, width] -> [g, h, width].
        name: kernel.reshape((split, -1, kernel.shape[1]))
        if name == "down"
        else kernel.reshape((kernel.shape[0], split, -1)).swapaxes(0, 1)
        for name, kernel in kernels.items()
    }
    drawn = [_drawn_units(rng, bank.hidden_dim, reinitialize) for _ in range(bank.num_experts)]

    def experts_of(name: str) -> Iterator[np.ndarray]:
        mean, std = spread[name]
        for e in range(bank.num_experts):
            kernel = parts[name][e % split].copy()
            units = kernel if name == "down" else kernel.T  # A row for each hidden unit.
            if len(drawn[e]):
                units[drawn[e]] = rng.normal(mean, std, (len(drawn[e]), units.shape[1]))
            if noise:
                kernel += rng.normal(0.0, noise * std, kernel.shape).astype("float32")
            yield kernel * factor if name == "down" else kernel

    for name in MATRICES:
        if name in kernels:
            layer = getattr(bank, name)
            layer.kernel.assign(np.stack(list(experts_of(name))))
            if layer.bias is not None:
                layer.bias.assign(_bias(biases.get(name), layer, name, split, factor))


def _drawn_units(rng: np.random.Generator, hidden_dim: int, share: float) -> np.ndarray:
    return rng.choice(hidden_dim, round(share * hidden_dim), replace=False)


def _bias(bias: Any, layer: keras.layers.Layer, name: str, split: int, factor: float) -> Any:
    """Returns the biases `[E, units]`: zeros for a matrix that had none beside one that had."""
    if bias is None:
        return np.zeros(layer.bias.shape, "float32")
    if name == "down":
        return np.tile(bias * (factor / split), (layer.num_groups, 1))
    parts = bias.reshape((split, -1))
    return parts[np.arange(layer.num_groups) % split]
