"""prune_experts: mixtures without the experts that are used least."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from sparse_keras.compression.shrink import carry, check_router, chosen, smaller_mixture
from sparse_keras.compression.summary import MixtureChange, Shrinking, shrinking
from sparse_keras.compression.usage import counts_of, measure, mixtures_to_shrink
from sparse_keras.layers import MixtureOfExperts
from sparse_keras.layers.validation import number, positive_int
from sparse_keras.models.replacing import Replacement, replace_layers


def prune_experts(
    model: keras.Model,
    data: Any = None,
    keep: int | float = 0.5,
    *,
    usage: Any = None,
    k: int | None = None,
    batch_size: int = 32,
) -> tuple[keras.Model, Shrinking]:
    """Drops the experts of each mixture that are used least.

    Those with the most assignments stay, in their order, with their columns of the router. A token
    whose expert was dropped goes to the best of those that are left.

    Args:
        model: A model of `MixtureOfExperts` layers.
        data: What use is measured on: arrays that the model is called with, or an iterable of
            batches of them, alone or in tuples with targets.
        keep: How many experts of each mixture stay: a number, or a share between 0 and 1.
        usage: Instead of `data`: a `routing.Recording` of the model, or a dict from the path of
            each mixture to the counts of its experts.
        k: A lower number of experts per token. Needed if fewer than k experts are left.
        batch_size: Rows of arrays in a call.

    Returns:
        A new model, which shares no variable with `model` and is not compiled; and a `Shrinking`,
        which says what was dropped, and prints as a table.

    Raises:
        ValueError: If there is no mixture of experts; if fewer than k experts would be left; if a
            router cannot serve fewer, such as one with groups; or if the counts do not fit.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(keras.layers.Dense(4), num_experts=8, k=2)
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> x = np.random.normal(size=(64, 3)).astype("float32")
    >>> smaller, table = sparse_keras.prune_experts(model, x, keep=4)
    >>> smaller.layers[0].num_experts
    4
    >>> table.mixtures[0].before, table.params[0] // table.params[1]
    (8, 2)

    Reference:
        [Task-Specific Expert Pruning](https://arxiv.org/abs/2206.00277), section 3.
    """
    found = mixtures_to_shrink(model, "prune_experts")
    if (data is None) == (usage is None):
        raise ValueError("Pass either `data` or `usage`.")
    left = [_left(keep, mixture.num_experts) for mixture in found]
    for mixture, size in zip(found, left, strict=True):
        check_router(mixture, size, k)
    if usage is None:
        counts = [of_mixture.counts for of_mixture in measure(model, data, batch_size)]
    else:
        counts = counts_of(usage, found)
    kept = [
        sorted(np.argsort(-of_mixture, kind="stable")[:size].tolist())
        for of_mixture, size in zip(counts, left, strict=True)
    ]
    new = replace_layers(
        model, [_pruned(mixture, of, k) for mixture, of in zip(found, kept, strict=True)]
    )
    changes = [
        MixtureChange(
            mixture.path,
            mixture.num_experts,
            len(experts),
            [[e] for e in experts],
            float(of_mixture[experts].sum() / max(of_mixture.sum(), 1)),
        )
        for mixture, experts, of_mixture in zip(found, kept, counts, strict=True)
    ]
    return new, shrinking(model, new, changes)


def _left(keep: int | float, num_experts: int) -> int:
    """The number of experts that stay of so many."""
    if isinstance(keep, float):
        number("keep", keep, "(0, 1]")
        return max(round(keep * num_experts), 1)
    return positive_int("keep", keep)


def _pruned(mixture: MixtureOfExperts, experts: list[int], k: int | None) -> Replacement:
    def fill(new: MixtureOfExperts) -> None:
        for part in ("router", "experts", "shared_expert"):
            if getattr(mixture, part) is not None:
                old, size = getattr(mixture, part), mixture.num_experts
                carry(old, getattr(new, part), size, chosen(experts))

    return Replacement(mixture, smaller_mixture(mixture, len(experts), k), fill)
