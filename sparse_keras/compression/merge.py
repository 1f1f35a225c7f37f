"""merge_experts: mixtures whose experts are means of experts that are chosen alike."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from sparse_keras.compression.align import aligned, weights_of
from sparse_keras.compression.shrink import carry, check_router, smaller_mixture
from sparse_keras.compression.summary import MixtureChange, Shrinking, shrinking
from sparse_keras.compression.usage import Usage, measure, mixtures_to_shrink
from sparse_keras.layers import GLUExperts, MixtureOfExperts, MLPExperts
from sparse_keras.layers.validation import boolean, positive_int
from sparse_keras.models.feed_forward_matrices import MATRICES
from sparse_keras.models.replacing import Replacement, replace_layers


def merge_experts(
    model: keras.Model,
    data: Any,
    num_experts: int,
    *,
    k: int | None = None,
    align: bool = True,
    batch_size: int = 32,
) -> tuple[keras.Model, Shrinking]:
    """Merges the experts of each mixture that are chosen alike.

    The `num_experts` experts of a mixture that are used most stay, each as the centre of a group.
    Every other one joins the centre whose router logits are most like its own: by their correlation
    over the tokens of `data`, which is the paper's cosine similarity after the mean over tokens is
    subtracted. A group becomes one expert: the mean of its experts, weighted by their use, with the
    router's column of the centre.

    Args:
        model: A model of `MixtureOfExperts` layers.
        data: What use and logits are measured on; see `prune_experts`.
        num_experts: How many experts of each mixture are left.
        k: A lower number of experts per token. Needed if fewer than k experts are left.
        align: Whether the hidden units of `MLPExperts` and `GLUExperts` are first put into the
            order of the centre's: in experts that were trained apart, similar units are in
            different places.
        batch_size: Rows of arrays in a call.

    Returns:
        A new model, which shares no variable with `model` and is not compiled; and a `Shrinking`,
        which says which experts were merged, and prints as a table.

    Raises:
        ValueError: If there is no mixture of experts; if fewer than k experts would be left; if a
            router cannot serve fewer, such as one with groups; or if `data` has no token.

    Example:

    >>> layer = sparse_keras.layers.MixtureOfExperts(
    ...     sparse_keras.layers.MLPExperts(num_experts=8, hidden_dim=16), k=2
    ... )
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> x = np.random.normal(size=(64, 3)).astype("float32")
    >>> smaller, table = sparse_keras.merge_experts(model, x, num_experts=4)
    >>> sorted(sum(table.mixtures[0].experts, []))
    [0, 1, 2, 3, 4, 5, 6, 7]

    Reference:
        [M-SMoE](https://arxiv.org/abs/2310.01334), section 3.
    """
    positive_int("num_experts", num_experts)
    boolean("align", align)
    found = mixtures_to_shrink(model, "merge_experts")
    for mixture in found:
        check_router(mixture, num_experts, k)
    usages = measure(model, data, batch_size)
    groups = [_groups(usage, num_experts) for usage in usages]
    new = replace_layers(
        model,
        [
            _merged(mixture, usage, of_mixture, k, align)
            for mixture, usage, of_mixture in zip(found, usages, groups, strict=True)
        ],
    )
    changes = [
        MixtureChange(mixture.path, mixture.num_experts, num_experts, of_mixture, 1.0)
        for mixture, of_mixture in zip(found, groups, strict=True)
    ]
    return new, shrinking(model, new, changes)


def _groups(usage: Usage, size: int) -> list[list[int]]:
    """Returns the groups of experts, each with its centre first."""
    order = np.argsort(-usage.counts, kind="stable").tolist()
    centres = sorted(order[:size])
    groups = {centre: [centre] for centre in centres}
    similarity = usage.similarity()
    for expert in sorted(order[size:]):
        groups[centres[int(np.argmax(similarity[expert, centres]))]].append(expert)
    return list(groups.values())


def shares_of(counts: np.ndarray, group: list[int]) -> np.ndarray:
    """Returns the shares of experts in the use of their group, `[E]`; 0 outside of it."""
    shares = np.zeros(len(counts))
    shares[group] = counts[group] if counts[group].sum() else 1.0
    return shares / shares.sum()


def _merged(
    mixture: MixtureOfExperts, usage: Usage, groups: list[list[int]], k: int | None, align: bool
) -> Replacement:
    centres = [group[0] for group in groups]
    shares = np.stack([shares_of(usage.counts, group) for group in groups])  # [new E, E]

    def fill(new: MixtureOfExperts) -> None:
        size = mixture.num_experts

        def of_centres(values, axis):
            return np.take(values, centres, axis=axis)

        def mean(values, axis):
            moved = np.moveaxis(values.astype("float32"), axis, 0)
            return np.moveaxis(np.tensordot(shares, moved, axes=1), 0, axis)

        carry(mixture.router, new.router, size, of_centres)
        if mixture.shared_expert is not None:
            carry(mixture.shared_expert, new.shared_expert, size, of_centres)
        if align and isinstance(mixture.experts, (MLPExperts, GLUExperts)):
            _fill_aligned(mixture.experts, new.experts, centres, shares)
        else:
            carry(mixture.experts, new.experts, size, mean)

    return Replacement(mixture, smaller_mixture(mixture, len(groups), k), fill)


def _fill_aligned(old: Any, new: Any, centres: list[int], shares: np.ndarray) -> None:
    weights = weights_of(old)
    merged: dict[str, list] = {name: [] for name in weights}
    for centre, of_group in zip(centres, shares, strict=True):
        members = np.flatnonzero(of_group)
        if centre not in members:
            members = np.append(members, centre)
        part = {name: values[members] for name, values in weights.items()}
        part = aligned(part, members.tolist().index(centre))
        for name, values in part.items():
            merged[name].append(np.tensordot(of_group[members], values, axes=1))
    for name in MATRICES:
        if name in merged:
            getattr(new, name).kernel.assign(np.stack(merged[name]))
        if f"{name}_bias" in merged:
            getattr(new, name).bias.assign(np.stack(merged[f"{name}_bias"]))
