"""Routers: who goes where, one router a file."""

from sparse_keras._plugin_builders import Builders
from sparse_keras.layers.routers.base import Router
from sparse_keras.layers.routers.dense import DenseRouter
from sparse_keras.layers.routers.expert_choice import ExpertChoiceRouter
from sparse_keras.layers.routers.relu import ReLURouter
from sparse_keras.layers.routers.threshold import ThresholdRouter
from sparse_keras.layers.routers.top_k import TopKRouter
from sparse_keras.layers.routers.uniform import UniformRouter

# The names that configs use.
ROUTERS = Builders(
    "router",
    {
        "top_k": TopKRouter,
        "threshold": ThresholdRouter,
        "relu": ReLURouter,
        "dense": DenseRouter,
        "uniform": UniformRouter,
        "expert_choice": ExpertChoiceRouter,
    },
)

__all__ = [
    "ROUTERS",
    "DenseRouter",
    "ExpertChoiceRouter",
    "ReLURouter",
    "Router",
    "ThresholdRouter",
    "TopKRouter",
    "UniformRouter",
]
