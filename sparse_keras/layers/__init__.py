"""Keras layers of sparse experts."""

from sparse_keras.layers.experts import (
    DenseExperts,
    Experts,
    GLUExperts,
    LayerExperts,
    LowRankExperts,
    MLPExperts,
    TiedExperts,
)
from sparse_keras.layers.experts.expert_ensemble import EnsembleHead, ExpertEnsemble
from sparse_keras.layers.experts.gated_shared_expert import GatedSharedExpert
from sparse_keras.layers.experts.grouped_dense import GroupedDense
from sparse_keras.layers.mixtures.cross_mixture import CrossMixture
from sparse_keras.layers.mixtures.depth_shared_mixture import DepthSharedMixtureOfExperts
from sparse_keras.layers.mixtures.mixture_of_experts import MixtureOfExperts
from sparse_keras.layers.mixtures.multi_gate_mixture import MultiGateMixtureOfExperts
from sparse_keras.layers.mixtures.soft_mixture import SoftMixtureOfExperts
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
from sparse_keras.layers.tabular.feature_gate import FeatureGate
from sparse_keras.layers.tabular.periodic_embedding import PeriodicEmbedding
from sparse_keras.layers.tabular.piecewise_linear_embedding import PiecewiseLinearEmbedding
from sparse_keras.layers.tabular.sparse_projection import SparseProjection
from sparse_keras.layers.transformer.feed_forward import FeedForward
from sparse_keras.layers.transformer.grouped_query_attention import GroupedQueryAttention
from sparse_keras.layers.transformer.latent_attention import LatentAttention
from sparse_keras.layers.transformer.rms_normalization import RMSNormalization
from sparse_keras.layers.transformer.rotary_embedding import RotaryEmbedding
from sparse_keras.layers.transformer.transformer_block import TransformerBlock

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
    "FeedForward",
    "GLUExperts",
    "GatedSharedExpert",
    "GroupedDense",
    "GroupedQueryAttention",
    "LatentAttention",
    "LayerExperts",
    "LowRankExperts",
    "MLPExperts",
    "MixtureOfExperts",
    "MultiGateMixtureOfExperts",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "HashRouter",
    "HierarchicalRouter",
    "RMSNormalization",
    "ReLURouter",
    "RotaryEmbedding",
    "Router",
    "SinkhornRouter",
    "SoftMixtureOfExperts",
    "SparseProjection",
    "ThresholdRouter",
    "TiedExperts",
    "TopKRouter",
    "TransformerBlock",
    "UniformRouter",
]
