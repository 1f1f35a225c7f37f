"""Keras layers of sparse experts."""

from sparse_keras.layers.cross_mixture import CrossMixture
from sparse_keras.layers.depth_shared_mixture import DepthSharedMixtureOfExperts
from sparse_keras.layers.expert_ensemble import EnsembleHead, ExpertEnsemble
from sparse_keras.layers.experts import (
    DenseExperts,
    Experts,
    GLUExperts,
    LayerExperts,
    LowRankExperts,
    MLPExperts,
    TiedExperts,
)
from sparse_keras.layers.feature_gate import FeatureGate
from sparse_keras.layers.gated_shared_expert import GatedSharedExpert
from sparse_keras.layers.grouped_dense import GroupedDense
from sparse_keras.layers.mixture_of_experts import MixtureOfExperts
from sparse_keras.layers.multi_gate_mixture import MultiGateMixtureOfExperts
from sparse_keras.layers.periodic_embedding import PeriodicEmbedding
from sparse_keras.layers.piecewise_linear_embedding import PiecewiseLinearEmbedding
from sparse_keras.layers.routers import (
    BalancedRouter,
    CosineRouter,
    DenseRouter,
    DSelectKRouter,
    ExpertChoiceRouter,
    HashRouter,
    HierarchicalRouter,
    ReLURouter,
    Router,
    SinkhornRouter,
    ThresholdRouter,
    TopKRouter,
    UniformRouter,
)
from sparse_keras.layers.soft_mixture import SoftMixtureOfExperts
from sparse_keras.layers.sparse_projection import SparseProjection

__all__ = [
    "BalancedRouter",
    "CosineRouter",
    "CrossMixture",
    "DenseExperts",
    "DSelectKRouter",
    "DenseRouter",
    "ExpertChoiceRouter",
    "DepthSharedMixtureOfExperts",
    "EnsembleHead",
    "ExpertEnsemble",
    "Experts",
    "FeatureGate",
    "GLUExperts",
    "GatedSharedExpert",
    "GroupedDense",
    "LayerExperts",
    "LowRankExperts",
    "MLPExperts",
    "MixtureOfExperts",
    "MultiGateMixtureOfExperts",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "HashRouter",
    "HierarchicalRouter",
    "ReLURouter",
    "Router",
    "SinkhornRouter",
    "SoftMixtureOfExperts",
    "SparseProjection",
    "ThresholdRouter",
    "TiedExperts",
    "TopKRouter",
    "UniformRouter",
]
