"""Expert banks compute the experts: one bank a file."""

from sparse_keras._internal.builders import Builders
from sparse_keras.layers.experts.base import Experts
from sparse_keras.layers.experts.dense import DenseExperts
from sparse_keras.layers.experts.glu import GLUExperts
from sparse_keras.layers.experts.layer import LayerExperts
from sparse_keras.layers.experts.low_rank import LowRankExperts
from sparse_keras.layers.experts.mlp import MLPExperts
from sparse_keras.layers.experts.tied import TiedExperts

# The names that configs use.
EXPERTS = Builders(
    "experts",
    {
        "dense": DenseExperts,
        "mlp": MLPExperts,
        "glu": GLUExperts,
        "tied": TiedExperts,
        "low_rank": LowRankExperts,
    },
)

__all__ = [
    "EXPERTS",
    "DenseExperts",
    "Experts",
    "GLUExperts",
    "LayerExperts",
    "LowRankExperts",
    "MLPExperts",
    "TiedExperts",
]
