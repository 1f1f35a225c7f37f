"""Model builders, one family a file.

A builder takes keyword arguments, those of a config's `model` section among them, and returns an
uncompiled `keras.Model`.
"""

from sparse_keras._plugin_builders import Builders
from sparse_keras.models.cost import (
    active_params,
    flops_per_example,
    layer_costs,
    total_params,
)
from sparse_keras.models.dense_mlp import dense_mlp
from sparse_keras.models.sparse_mlp import sparse_mlp
from sparse_keras.models.tabular_model import TabularModel

# The names that configs use.
MODELS = Builders(
    "model",
    {
        "sparse_mlp": sparse_mlp,
        "dense_mlp": dense_mlp,
    },
)

__all__ = [
    "MODELS",
    "TabularModel",
    "active_params",
    "dense_mlp",
    "flops_per_example",
    "layer_costs",
    "sparse_mlp",
    "total_params",
]
