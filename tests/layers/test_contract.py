"""Every public layer keeps the contract of a Keras layer."""

import ast
import functools
import pathlib

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.layers import (
    BalancedRouter,
    CosineRouter,
    CrossMixture,
    DenseExperts,
    DenseRouter,
    DepthSharedMixtureOfExperts,
    DSelectKRouter,
    EnsembleHead,
    ExpertChoiceRouter,
    ExpertEnsemble,
    FeatureGate,
    FeedForward,
    GatedSharedExpert,
    GLUExperts,
    GroupedDense,
    GroupedQueryAttention,
    HashRouter,
    HierarchicalRouter,
    LatentAttention,
    LayerExperts,
    LowRankExperts,
    MixtureOfExperts,
    MLPExperts,
    MultiGateMixtureOfExperts,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    ReLURouter,
    RMSNormalization,
    RotaryEmbedding,
    SinkhornRouter,
    SoftMixtureOfExperts,
    SparseProjection,
    ThresholdRouter,
    TiedExperts,
    TopKRouter,
    TransformerBlock,
    UniformRouter,
)
from tests.layers.wrappers import (
    AllGates,
    ByLargestFeature,
    EveryDepth,
    IdsOfFirstFeature,
    MembersSideBySide,
    OfShortSequences,
    OfTwoMembers,
    ThreeTokens,
    WeightOfEachExpert,
)
from tests.support.contract import CHECKS, Subject, losses_of_fit, run_layer_contract

RANDOM = {"random": True}
BANK = {"wrap": ByLargestFeature}
ROUTER = {"wrap": WeightOfEachExpert, "ranks": (2,)}
MASKED = {"passes_mask": True}
GATES = {"wrap": AllGates, "passes_mask": True}

partial = functools.partial


def mixture(bank, router, shared_expert=None, capacity_factor=None, **kwargs):
    return MixtureOfExperts(
        bank(),
        router=router(),
        shared_expert=shared_expert and shared_expert(),
        capacity_factor=capacity_factor,
        **kwargs,
    )


# Six features of two columns: three bins and an indicator; one bin.
COLUMNS = {
    "groups": [0, 1, 0, 0, 1, 0],
    "kinds": ["value", "value", "bin", "bin", "bin", "missing"],
}


def gates(banks, router, **kwargs):
    banks = banks()
    visible = {"b": ["all"]} if isinstance(banks, dict) else None
    routers = {gate: router(name=f"{gate}_router") for gate in ("a", "b")}
    return MultiGateMixtureOfExperts(banks, routers, visible, **kwargs)


def two_layers():
    dense = keras.layers.Dense
    return keras.Sequential([dense(5, activation="tanh"), dense(3)], name="two_layers")


DENSE = partial(DenseExperts, 4, 3, activation="tanh")
MLP = partial(MLPExperts, 4, 8)
GLU = partial(GLUExperts, 4, 8, output_dim=3)
TIED = partial(TiedExperts, 4, 3, activation="tanh")
LOW_RANK = partial(LowRankExperts, 4, 3)
TOP_K = partial(
    TopKRouter,
    z_loss=0.001,
    importance_loss=0.01,
    mean_entropy_loss=0.01,
    token_entropy_loss=0.01,
)
RELU = partial(ReLURouter, l1_initial=1e-3)

SUBJECTS = {
    "GroupedDense": (partial(GroupedDense, 4, 3, activation="tanh"), BANK),
    "DenseExperts": (DENSE, BANK),
    "MLPExperts": (MLP, BANK),
    "GLUExperts": (GLU, BANK),
    "GLUExperts, clamped": (
        partial(GLU, use_bias=True, limit=7.0, alpha=1.702, up_offset=1.0),
        BANK,
    ),
    "TiedExperts": (TIED, BANK),
    "LowRankExperts": (LOW_RANK, BANK),
    "LayerExperts": (lambda **kwargs: LayerExperts(two_layers(), 4, **kwargs), BANK),
    "LayerExperts of a convolution": (
        lambda **kwargs: MixtureOfExperts(
            keras.layers.Conv1D(2, 2, activation="tanh"), num_experts=4, **kwargs
        ),
        {"wrap": OfShortSequences},
    ),
    "LayerExperts, attention": (
        lambda **kwargs: MixtureOfExperts(
            keras.layers.MultiHeadAttention(1, 2, use_bias=False), num_experts=4, **kwargs
        ),
        {"wrap": OfShortSequences},
    ),
    "MLPExperts with dropout": (partial(MLP, dropout=0.3), BANK | RANDOM),
    "TopKRouter": (partial(TopKRouter, num_experts=4), ROUTER),
    "TopKRouter with jitter": (
        partial(TopKRouter, k=1, num_experts=4, jitter=0.1),
        ROUTER | RANDOM,
    ),
    "TopKRouter with a selection bias": (
        partial(
            TopKRouter,
            num_experts=4,
            score="sigmoid",
            select_on="score_plus_bias",
            num_groups=2,
            groups_kept=1,
            scale=2.5,
            per_expert_scale=True,
        ),
        ROUTER,
    ),
    "TopKRouter with noise": (
        partial(TopKRouter, num_experts=4, score="identity", use_bias=True, noise=True),
        ROUTER | RANDOM,
    ),
    "CosineRouter": (partial(CosineRouter, num_experts=4), ROUTER),
    "CosineRouter with noise": (
        partial(CosineRouter, num_experts=4, use_bias=True, noise=True),
        ROUTER | RANDOM,
    ),
    "ThresholdRouter": (partial(ThresholdRouter, num_experts=4), ROUTER),
    "ReLURouter": (partial(ReLURouter, num_experts=4), ROUTER),
    "DenseRouter": (partial(DenseRouter, num_experts=4), ROUTER),
    "UniformRouter": (
        partial(UniformRouter, num_experts=4),
        ROUTER | {"constant": True, "weightless": True},
    ),
    "DSelectKRouter": (partial(DSelectKRouter, num_experts=5), ROUTER),
    "ExpertChoiceRouter": (
        partial(ExpertChoiceRouter, num_experts=4),
        ROUTER | {"independent": False},
    ),
    "HierarchicalRouter": (partial(HierarchicalRouter, num_experts=4), ROUTER),
    "SinkhornRouter": (partial(SinkhornRouter, num_experts=4), ROUTER),
    "BalancedRouter": (
        partial(BalancedRouter, num_experts=4),
        ROUTER | {"independent": False},
    ),
    "BalancedRouter, shuffled": (
        partial(BalancedRouter, num_experts=4, shuffle=True),
        ROUTER | RANDOM | {"independent": False},
    ),
    "BalancedRouter with equal weights": (
        partial(BalancedRouter, k=3, equal_weights=True, num_experts=4),
        ROUTER | {"constant": True, "weightless": True, "independent": False},
    ),
    "HashRouter": (partial(HashRouter, 50, k=2, num_experts=4), ROUTER | {"constant": True}),
    "FeatureGate": (FeatureGate, MASKED | RANDOM),
    "FeatureGate with threshold": (partial(FeatureGate, "threshold"), MASKED | {"constant": True}),
    "PiecewiseLinearEmbedding": (partial(PiecewiseLinearEmbedding, 4, **COLUMNS), MASKED),
    "PiecewiseLinearEmbedding of bins alone": (
        partial(PiecewiseLinearEmbedding, 4, **COLUMNS, linear=False, activation="tanh"),
        MASKED,
    ),
    "PeriodicEmbedding": (partial(PeriodicEmbedding, 4, **COLUMNS), MASKED),
    "PeriodicEmbedding, shared": (partial(PeriodicEmbedding, 4, shared=True), MASKED),
    "SoftMixtureOfExperts": (
        lambda **kwargs: SoftMixtureOfExperts(DENSE(), slots_per_expert=2, **kwargs),
        {"wrap": ThreeTokens},
    ),
    "RotaryEmbedding": (
        partial(RotaryEmbedding, interleaved=True),
        {"wrap": ThreeTokens, "constant": True, "weightless": True},
    ),
    "GroupedQueryAttention": (
        partial(GroupedQueryAttention, 4, 2, 4, RotaryEmbedding(), qk_norm="head", sinks=True),
        {"wrap": ThreeTokens},
    ),
    "GroupedQueryAttention, multi-head": (
        partial(GroupedQueryAttention, 2, causal=False, qkv_bias=True, output_bias=True),
        {"wrap": ThreeTokens},
    ),
    "FeedForward": (partial(FeedForward, 8), MASKED),
    "FeedForward without a gate": (
        partial(FeedForward, 8, "gelu", gated=False, use_bias=True, dropout=0.3),
        MASKED | RANDOM,
    ),
    "TransformerBlock": (
        lambda **kwargs: TransformerBlock(
            GroupedQueryAttention(2, 1, 4, RotaryEmbedding()), mixture(MLP, TOP_K), **kwargs
        ),
        {"wrap": ThreeTokens},
    ),
    "TransformerBlock, dense": (
        lambda **kwargs: TransformerBlock(
            GroupedQueryAttention(2, causal=False),
            FeedForward(8),
            "layer",
            "post",
            dropout=0.3,
            **kwargs,
        ),
        {"wrap": ThreeTokens} | RANDOM,
    ),
    "RMSNormalization": (RMSNormalization, MASKED | {"constant": True}),
    "LatentAttention": (
        lambda **kwargs: LatentAttention(2, 3, 2, 4, 5, RotaryEmbedding(), 3, **kwargs),
        {"wrap": ThreeTokens},
    ),
    "SparseProjection": (partial(SparseProjection, 3, activation="tanh"), MASKED),
    "ExpertEnsemble": (
        lambda **kwargs: ExpertEnsemble(TIED(), **kwargs),
        {"wrap": MembersSideBySide, "passes_mask": True},
    ),
    "ExpertEnsemble of MLPs": (
        lambda **kwargs: ExpertEnsemble(MLP(), **kwargs),
        {"wrap": MembersSideBySide, "passes_mask": True},
    ),
    "EnsembleHead": (partial(EnsembleHead, 3, activation="softmax"), {"wrap": OfTwoMembers}),
    "mixture of Dense": (
        lambda **kwargs: MixtureOfExperts(keras.layers.Dense(3), num_experts=4, k=1, **kwargs),
        MASKED,
    ),
    "dense, top k": (partial(mixture, DENSE, TOP_K), MASKED),
    "dense, cosine": (partial(mixture, DENSE, partial(CosineRouter, z_loss=0.001)), MASKED),
    "dense, dense": (
        partial(mixture, DENSE, partial(DenseRouter, importance_loss=0.01, use_bias=True)),
        MASKED,
    ),
    "dense, expert choice": (
        partial(mixture, DENSE, partial(ExpertChoiceRouter, 1.3, importance_loss=0.01)),
        MASKED | {"independent": False},
    ),
    "dense, expert choice by thresholds": (
        partial(mixture, DENSE, partial(ExpertChoiceRouter, threshold_decay=0.9)),
        MASKED | {"independent": False},
    ),
    "dense, dselect k": (
        partial(mixture, DENSE, partial(DSelectKRouter, entropy_warmup_steps=3)),
        MASKED,
    ),
    "dense, dselect k, static": (
        partial(mixture, DENSE, partial(DSelectKRouter, per_example=False, importance_loss=0.01)),
        MASKED,
    ),
    "dense, hierarchical": (
        partial(mixture, DENSE, partial(HierarchicalRouter, k=1, mean_entropy_loss=0.01)),
        MASKED,
    ),
    "dense, sinkhorn": (
        partial(mixture, DENSE, partial(SinkhornRouter, k=1, importance_loss=0.01, use_bias=True)),
        MASKED,
    ),
    "dense, balanced": (
        partial(mixture, DENSE, partial(BalancedRouter, importance_loss=0.01, use_bias=True)),
        MASKED | {"independent": False},
    ),
    "dense, hash": (
        partial(mixture, DENSE, partial(HashRouter, 50, k=2)),
        MASKED | {"wrap": IdsOfFirstFeature},
    ),
    "dense, uniform": (partial(mixture, DENSE, UniformRouter), MASKED),
    "gates, dense": (
        partial(gates, lambda: DENSE(), partial(DenseRouter, importance_loss=0.01)),
        GATES,
    ),
    "gates, sparse": (
        partial(gates, lambda: {"own": DENSE(name="own"), "all": DENSE(name="all")}, TOP_K),
        GATES,
    ),
    "mlp, relu": (partial(mixture, MLP, partial(RELU, max_experts=3)), MASKED),
    "glu, top k": (partial(mixture, GLU, TOP_K), MASKED),
    "tied, threshold": (
        partial(mixture, TIED, partial(ThresholdRouter, max_experts=2, normalize=True)),
        MASKED,
    ),
    "CrossMixture": (
        lambda **kwargs: CrossMixture(LOW_RANK(), **kwargs),
        MASKED,
    ),
    "CrossMixture, top k": (
        lambda **kwargs: CrossMixture(LOW_RANK(), TOP_K(), capacity_factor=1.0, **kwargs),
        MASKED,
    ),
    "low rank, top k": (partial(mixture, LOW_RANK, TOP_K), MASKED),
    "shared expert": (
        partial(mixture, MLP, TOP_K, shared_expert=partial(keras.layers.Dense, 6)),
        MASKED,
    ),
    "GatedSharedExpert": (
        lambda **kwargs: GatedSharedExpert(keras.layers.Dense(6), **kwargs),
        MASKED,
    ),
    "capacity": (partial(mixture, DENSE, TOP_K, capacity_factor=1.0), MASKED),
    "capacity by priority": (
        partial(mixture, DENSE, TOP_K, capacity_factor=1.0, drop_order="batch_priority"),
        MASKED,
    ),
    "every depth": (
        lambda **kwargs: DepthSharedMixtureOfExperts(MLP(), 2, **kwargs),
        {"wrap": EveryDepth, "passes_mask": True, "losses": 2},
    ),
    "everything": (
        partial(
            mixture,
            partial(MLP, dropout=0.3),
            partial(TOP_K, jitter=0.1),
            shared_expert=partial(keras.layers.Dense, 6),
            capacity_factor=1.25,
            eval_capacity_factor=50.0,
        ),
        MASKED | RANDOM,
    ),
}

# The checks that trace or compile whole training steps run on these subjects. A mixture sends rows
# to its bank and gets a routing from its router, whichever they are: each router is here with one
# bank and each bank with one router, not every pair; and routers and banks that are part of a
# mixture here are not here a second time alone.
MIXTURES = {
    "mixture of Dense",
    "dense, cosine",
    "dense, dense",
    "dense, expert choice",
    "dense, expert choice by thresholds",
    "dense, dselect k",
    "dense, hierarchical",
    "dense, sinkhorn",
    "dense, balanced",
    "mlp, relu",
    "glu, top k",
    "tied, threshold",
    "low rank, top k",
    "gates, sparse",
    "CrossMixture, top k",
    "SoftMixtureOfExperts",
    "every depth",
    "everything",
}
OTHERS = {
    "LayerExperts",
    "FeatureGate",
    "FeatureGate with threshold",
    "PiecewiseLinearEmbedding",
    "PeriodicEmbedding",
    "SparseProjection",
    "ExpertEnsemble",
    "GatedSharedExpert",
    "GroupedQueryAttention",
    "LatentAttention",
    "TransformerBlock",
    "TransformerBlock, dense",
}
COSTLY = {
    "compiled_training_agrees": MIXTURES | OTHERS,
    "fits_and_evaluates": MIXTURES | OTHERS | {"TopKRouter with a selection bias", "EnsembleHead"},
    "time_distributed": MIXTURES | OTHERS,
    "graphs_take_no_rows": MIXTURES | OTHERS | {"EnsembleHead", "capacity", "capacity by priority"},
}
# What the default run leaves to `-m slow`: the costly checks but for one or two subjects, and the
# checks of some tenths of a second on subjects that say least.
QUICK_COSTLY = {
    "compiled_training_agrees": {"mixture of Dense"},
    "fits_and_evaluates": {"mixture of Dense", "FeatureGate"},
    "time_distributed": {"mixture of Dense", "FeatureGate"},
    "graphs_take_no_rows": {"mixture of Dense"},
}
LATER = {name for name in SUBJECTS if "," in name or "alone" in name or "MLPs" in name} - {
    "tied, threshold",
    "mlp, relu",
    "gates, dense",
    "gates, sparse",
}
# Banks and routers alone; what is left to say of the mixtures that contain them is quick.
PARTS = {name for name, (_, options) in SUBJECTS.items() if "wrap" in options} - {"gates, dense"}
for check in ("dtype_policies", "symbolic_shapes", "seed_reproduces", "examples_are_independent"):
    QUICK_COSTLY[check] = SUBJECTS.keys() - PARTS - {"shared expert", "capacity"} | {"TiedExperts"}
for check in (
    *("clones", "composes", "freezes", "passes_mask", "saves_and_loads", "shapes_agree"),
    *("summary_counts", "takes_no_rows"),
):
    QUICK_COSTLY[check] = SUBJECTS.keys() - PARTS | {"GLUExperts", "TiedExperts", "TopKRouter"}


def cases():
    for name in SUBJECTS:
        for check in CHECKS:
            if name in COSTLY.get(check, SUBJECTS):
                quick = name not in LATER and name in QUICK_COSTLY.get(check, SUBJECTS)
                yield pytest.param(name, check, marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize("name, check", list(cases()))
def test_contract(name, check):
    make_layer, options = SUBJECTS[name]
    run_layer_contract(make_layer, (10, 6), only=[check], **options)


def test_costly_checks_run_on_subjects():
    """A name here that is no subject's would leave a check out in silence."""
    for names in [*COSTLY.values(), *QUICK_COSTLY.values(), LATER]:
        assert names <= SUBJECTS.keys()


@pytest.mark.slow
def test_several_steps_in_one_execution():
    """Traced with the partial last batch among the steps, it trains as step by step."""
    make_layer, options = SUBJECTS["capacity"]
    subject = Subject(make_layer, (10, 6), **options)
    steps = 1 if keras.backend.backend() == "torch" else 2  # Keras allows no more on torch.
    several, _ = losses_of_fit(subject, steps_per_execution=steps, jit_compile=False)
    expected, _ = losses_of_fit(subject, run_eagerly=True)
    np.testing.assert_allclose(several, expected, rtol=1e-4)


@pytest.mark.slow
def test_time_distributed_in_a_graph():
    make_layer, options = SUBJECTS["capacity"]
    subject = Subject(make_layer, (10, 6), **options)
    losses = []
    for how in ({"jit_compile": False}, {"run_eagerly": True}):
        keras.utils.set_random_seed(1)
        layer = keras.layers.TimeDistributed(subject.make())
        model, x, y = subject.model(3, layer, **how)
        losses += [model.fit(x, y, batch_size=5, verbose=0).history["loss"]]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_every_public_layer_is_a_subject():
    tested = {type(make_layer()).__name__ for make_layer, _ in SUBJECTS.values()}
    bases = {"Experts", "Router"}
    assert tested == set(sparse_keras.layers.__all__) - bases


def test_layers_know_no_backend():
    """Layers are written in `keras.ops`, and make no Lambda, which safe mode would refuse."""
    folder = pathlib.Path(sparse_keras.layers.__file__).parent
    files = list(folder.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            elif isinstance(node, ast.Call):
                assert getattr(node.func, "attr", None) != "Lambda", file
            assert not {"tensorflow", "jax", "torch"} & {n.split(".")[0] for n in names}, file
