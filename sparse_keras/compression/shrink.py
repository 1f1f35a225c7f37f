"""Mixtures with fewer experts than before, and the router that fits them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from sparse_keras.layers import (
    DSelectKRouter,
    HashRouter,
    HierarchicalRouter,
    MixtureOfExperts,
    Router,
)
from sparse_keras.layers.validation import positive_int


def check_router(mixture: MixtureOfExperts, num_experts: int, k: int | None) -> None:
    """Raises a ValueError unless the router of a mixture can serve fewer experts."""
    router = mixture.router
    if not 1 <= num_experts <= mixture.num_experts:
        raise ValueError(
            f"{mixture.path!r} has {mixture.num_experts} experts. Received: {num_experts} to be "
            "left."
        )
    grouped = isinstance(router, HierarchicalRouter) or getattr(router, "num_groups", None)
    if isinstance(router, (HashRouter, DSelectKRouter)) or grouped:
        raise ValueError(
            f"The {type(router).__name__} of {mixture.path!r} knows its experts by their numbers"
            f"{', in groups' if grouped else ''}: it cannot serve fewer of them."
        )
    old_k = getattr(router, "k", None)
    if k is not None and old_k is None:
        raise ValueError(f"The {type(router).__name__} of {mixture.path!r} has no k. Received: {k}")
    if k is not None and positive_int("k", k) > min(old_k, num_experts):
        raise ValueError(
            f"{mixture.path!r} sends each token to k={old_k} experts, and {num_experts} are to be "
            f"left: k must be from 1 to {min(old_k, num_experts)}. Received: k={k}."
        )
    if k is None and old_k is not None and old_k > num_experts:
        raise ValueError(
            f"{mixture.path!r} sends each token to k={old_k} experts, and {num_experts} are to be "
            f"left. Keep {old_k}, or lower k: k={num_experts}."
        )


def smaller_mixture(
    mixture: MixtureOfExperts, num_experts: int, k: int | None = None
) -> MixtureOfExperts:
    """Makes a mixture, not built, like another but for the number of its experts."""
    config = mixture.get_config()
    config["num_experts"] = num_experts
    changes: dict[str, Any] = {"num_experts": num_experts}
    config["experts"]["config"].update(changes)
    if k is not None:
        config["k"] = changes["k"] = k
    limit = getattr(mixture.router, "max_experts", None)
    if limit is not None:
        changes["max_experts"] = min(limit, num_experts)
    config["router"]["config"].update(changes)
    for part in ("experts", "router", "shared_expert"):
        if config[part] is not None:
            config[part].pop("build_config", None)
    return MixtureOfExperts.from_config(config)


def carry(old: Any, new: Any, num_experts: int, choose: Any) -> None:
    """Sets the weights of a part of a mixture by those of the larger one.

    Args:
        old: The router, the bank or the shared expert.
        new: The same part of the smaller mixture.
        num_experts: E before.
        choose: Function of an array and its axis of experts, which returns the smaller array.

    Raises:
        ValueError: If a weight changes its shape in another axis than that of experts.
    """
    state = getattr(old, "_training_state", ()) if isinstance(old, Router) else ()
    for before, after in zip(old.weights, new.weights, strict=True):
        axes = [
            axis
            for axis, sizes in enumerate(zip(before.shape, after.shape, strict=True))
            if sizes[0] != sizes[1]
        ]
        if not axes:
            after.assign(before.value)
        elif before.name in state:
            continue  # Counts of training, which begin anew.
        elif len(axes) == 1 and before.shape[axes[0]] == num_experts:
            after.assign(choose(keras.ops.convert_to_numpy(before), axes[0]))
        else:
            raise ValueError(
                f"{before.path!r} of shape {tuple(before.shape)} has no axis of experts that can "
                f"be cut: it would become {tuple(after.shape)}."
            )


def chosen(experts: list[int]) -> Any:
    """Returns the function of an array and an axis that takes some experts."""
    return lambda values, axis: np.take(values, experts, axis=axis)
