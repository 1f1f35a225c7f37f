"""Routers decide which experts each token goes to: one router a file."""

import collections
import functools
from typing import Any

from sparse_keras._internal.builders import Builders
from sparse_keras._internal.token_choice import PRESETS
from sparse_keras.layers import identifiers
from sparse_keras.layers.routers.balanced import BalancedRouter
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.cosine import CosineRouter
from sparse_keras.layers.routers.dense import DenseRouter
from sparse_keras.layers.routers.dselect_k import DSelectKRouter
from sparse_keras.layers.routers.expert_choice import ExpertChoiceRouter
from sparse_keras.layers.routers.hash import HashRouter
from sparse_keras.layers.routers.hierarchical import HierarchicalRouter
from sparse_keras.layers.routers.relu import ReLURouter
from sparse_keras.layers.routers.sinkhorn import SinkhornRouter
from sparse_keras.layers.routers.threshold import ThresholdRouter
from sparse_keras.layers.routers.top_k import TopKRouter
from sparse_keras.layers.routers.uniform import UniformRouter

# The names that configs use.
ROUTERS = Builders(
    "router",
    {
        "top_k": TopKRouter,
        "cosine": CosineRouter,
        "threshold": ThresholdRouter,
        "relu": ReLURouter,
        "dense": DenseRouter,
        "uniform": UniformRouter,
        "expert_choice": ExpertChoiceRouter,
        "dselect_k": DSelectKRouter,
        "hierarchical": HierarchicalRouter,
        "sinkhorn": SinkhornRouter,
        "balanced": BalancedRouter,
    },
)

# So are the families of models that `TopKRouter.preset` knows.
_NAMES = collections.ChainMap(
    ROUTERS, {name: functools.partial(TopKRouter.preset, name) for name in PRESETS}
)


def router_from(identifier: Any, **defaults: Any) -> Router:
    """Returns the router that `identifier` is or names; see `identifiers.get`.

    The name of a preset such as `"deepseek_v3"` means `{"type": "top_k", "preset": "deepseek_v3"}`.
    """
    if isinstance(identifier, dict) and identifier.get("type") in ("top_k", "cosine"):
        identifier = dict(identifier)
        preset = identifier.pop("preset", None)
        if preset is not None:
            router = ROUTERS[identifier.pop("type")]
            return router.preset(preset, **defaults | identifier)
    return identifiers.get(identifier, _NAMES, Router, "a router", **defaults)


__all__ = [
    "PRESETS",
    "ROUTERS",
    "DSelectKRouter",
    "BalancedRouter",
    "CosineRouter",
    "DenseRouter",
    "ExpertChoiceRouter",
    "HashRouter",
    "HierarchicalRouter",
    "ReLURouter",
    "Router",
    "SinkhornRouter",
    "ThresholdRouter",
    "TopKRouter",
    "UniformRouter",
    "router_from",
]
