"""Bugs that other Mixture-of-Experts libraries had, each with a test that it is not ours."""

import inspect
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import layers
from sparse_keras.callbacks import ExpertLoad
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
    OfTwoMembers,
)
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.quick import slow_but_for


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def weight_named(layer, name):
    (found,) = [w for w in layer.weights if w.name == name]
    return found


@pytest.mark.parametrize(
    "make_bank",
    [
        lambda: DenseExperts(6, 8),
        lambda: DenseExperts(6, 8, kernel_initializer=keras.initializers.HeNormal(seed=3)),
        lambda: MLPExperts(6, 5, kernel_initializer=keras.initializers.GlorotUniform(seed=3)),
        lambda: GLUExperts(6, 5, kernel_initializer=keras.initializers.GlorotUniform(seed=3)),
        lambda: TiedExperts(6, 8),
        lambda: TiedExperts(6, 8, scale_initializer=keras.initializers.RandomNormal(1.0, seed=3)),
    ],
)
def test_experts_are_not_identical_at_the_start(make_bank):
    """Seen in DeepCTR and KerasHub's Mixtral: equal experts stay equal, a mixture of one."""
    layer = MixtureOfExperts(make_bank(), k=6, router=None)
    layer.build((None, 8))
    bank = layer.experts
    x = np.repeat(draw(1, 8), 6, axis=0)
    outputs = to_numpy(bank(x, np.ones(6, "int32")))
    for e in range(6):
        for other in range(e):
            assert np.abs(outputs[e] - outputs[other]).max() > 1e-3


@pytest.mark.parametrize(
    ("num_experts", "width"),
    slow_but_for([(2, 128), (8, 16)], itertools.product([2, 8, 64], [16, 128])),
)
def test_router_learns_with_one_expert_a_token(num_experts, width):
    """Seen in dl_techniques and minimind: with k=1 the weight is normalised to the constant 1.

    (With the raw score as weight, the ratio would fall to 0.09 at width 16 and E = 64.)
    """

    def median_norm(k):
        norms = []
        for seed in range(5):
            keras.utils.set_random_seed(seed)
            layer = MixtureOfExperts(
                MLPExperts(num_experts, 32), router=TopKRouter(k=k, balance_loss=0.0)
            )
            x = draw(128, width, seed=seed)
            layer.build(x.shape)
            target = draw(128, width, seed=seed + 100)
            _, found = layer_gradients(
                layer,
                x,
                lambda y, target=target: ops.mean(ops.subtract(y, target) ** 2),
                training=True,
            )
            (gradient,) = [g for name, g in found.items() if name.endswith("router_kernel")]
            norms.append(np.linalg.norm(gradient))
        return np.median(norms)

    assert 0.2 <= median_norm(1) / median_norm(2) <= 5


@pytest.mark.parametrize(
    "policy", slow_but_for(["mixed_bfloat16"], ["mixed_float16", "mixed_bfloat16"])
)
def test_balance_loss_under_mixed_precision(policy):
    """Seen in KerasHub: float32 and float16 met in the balance loss, and `fit` crashed."""
    keras.config.set_dtype_policy(policy)
    router = TopKRouter(balance_loss=0.1, z_loss=0.1, importance_loss=0.1)
    model = keras.Sequential(
        [
            keras.layers.Dense(8, activation="relu"),
            MixtureOfExperts(MLPExperts(4, 16), router=router, capacity_factor=1.0),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile("adam", "mse")
    x = draw(64, 6)
    history = model.fit(x, x[:, :1], epochs=12, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert np.isfinite(model.evaluate(x, x[:, :1], verbose=0))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "float16"])
def test_jitter_works_and_stays_in_the_router(policy):
    """Seen in KerasHub (a crash) and Hugging Face's Switch (the experts saw the noise)."""
    keras.config.set_dtype_policy(policy)
    # One expert: whatever the router does, the weight is softmax of one logit, 1.
    router = TopKRouter(k=1, balance_loss=0.0, jitter=0.5)
    layer = MixtureOfExperts(DenseExperts(1, 3), router=router)
    x = draw(50, 4)
    np.testing.assert_array_equal(to_numpy(layer(x, training=True)), to_numpy(layer(x)))
    # And it does reach the router.
    router = TopKRouter(num_experts=4, jitter=0.5)
    quiet = to_numpy(router(x)["logits"])
    noisy = to_numpy(router(x, training=True)["logits"])
    assert np.abs(noisy - quiet).max() > 0.01
    np.testing.assert_array_equal(to_numpy(router(x, training=False)["logits"]), quiet)


def collapsed(expert, num_experts=4):
    """A layer whose router sends everything to one expert."""
    layer = MixtureOfExperts(
        DenseExperts(num_experts, 3), router=TopKRouter(k=1, balance_loss=1.0, use_bias=True)
    )
    layer.build((None, 3))
    layer.router.kernel.assign(np.zeros((3, num_experts)))
    layer.router.bias.assign(50.0 * np.eye(num_experts)[expert])
    return layer


def test_balance_is_judged_layer_by_layer():
    """Seen in Hugging Face: opposite collapses of two layers, pooled, looked balanced."""
    first, second = collapsed(0, 2), collapsed(1, 2)
    model = keras.Sequential([first, second])
    model(draw(20, 3), training=True)
    # Each of them: E * sum_e f_e P_e = 2 * (1 * 1) = 2; pooled it would have been 1.
    np.testing.assert_allclose([float(loss) for loss in model.losses], [2.0, 2.0], rtol=1e-5)
    assert first.routing_statistics()["load_violation"] == pytest.approx(1.0)


def test_no_auxiliary_loss_at_evaluation():
    """Seen in TensorFlow Model Garden and on keras.io: `val_loss` held the balance loss."""
    layer = collapsed(2)
    model = keras.Sequential([layer])
    model.compile("sgd", "mse")
    x = draw(20, 3)
    y = model.predict(x, verbose=0)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(0.0, abs=1e-9)
    history = model.fit(x, y, validation_data=(x, y), verbose=0)
    assert history.history["loss"][0] == pytest.approx(4.0, rel=1e-4)
    assert history.history["val_loss"][0] < 0.1


def test_statistics_are_of_training_only():
    layer = MixtureOfExperts(DenseExperts(4, 3))
    model = keras.Sequential([layer])
    model.compile("sgd", "mse")
    x = draw(20, 3)
    model.fit(x, x, verbose=0)
    before = to_numpy(layer.statistics["router"].sums)
    assert before[:4].sum() == 40
    model.evaluate(x, x, verbose=0)
    model.predict(x, verbose=0)
    model.test_on_batch(x, x)
    np.testing.assert_array_equal(to_numpy(layer.statistics["router"].sums), before)


def test_the_gate_is_applied_once():
    """Seen on keras.io: outputs were multiplied by the router's weight twice."""
    layer = MixtureOfExperts(
        DenseExperts(2, 3, "linear", kernel_initializer="identity"), router=TopKRouter(k=1)
    )
    layer.build((None, 3))
    layer.router.kernel.assign(np.zeros((3, 2)))
    # Equal scores of 0.5; the chosen expert is the identity.
    x = draw(5, 3)
    np.testing.assert_allclose(to_numpy(layer(x)), 0.5 * x, rtol=1e-6)


def test_no_place_is_wasted():
    """Seen on keras.io: places were numbered from 1, so each expert's first stayed empty."""
    layer = MixtureOfExperts(
        DenseExperts(4, 3),
        router=TopKRouter(k=1, kernel_initializer="identity"),
        capacity_factor=1.0,
    )
    # Perfect balance at capacity 2: all 8 assignments fit.
    x = np.repeat(5 * np.eye(4, dtype="float32"), 2, axis=0)
    layer(x, training=True)
    found = layer.routing_statistics()
    assert found["dropped"] == 0.0 and found["load_violation"] == 0.0
    # With half of that, each expert keeps exactly one.
    layer.capacity_factor = 0.5
    _, routing = layer(x, training=True, return_routing=True)
    np.testing.assert_array_equal(to_numpy(routing["is_open"])[:, 0], [1, 0] * 4)


def test_no_batch_size_is_baked_in():
    """Seen on keras.io: a model built for batches of 50 took no other."""
    model = keras.Sequential(
        [keras.Input((6,)), MixtureOfExperts(MLPExperts(4, 8), capacity_factor=1.0)]
    )
    model.compile("sgd", "mse")
    x = draw(37, 6)
    model.fit(x, x, batch_size=16, verbose=0)
    together = model.predict(x, batch_size=37, verbose=0)
    for batch_size in (1, 10):
        found = model.predict(x, batch_size=batch_size, verbose=0)
        np.testing.assert_allclose(found, together, rtol=1e-5, atol=1e-6)


def test_utilisation_is_measured():
    """Seen in dl_techniques: the report returned settings, whatever the router did."""
    layer = MixtureOfExperts(
        DenseExperts(4, 3), router=TopKRouter(k=1, kernel_initializer="identity")
    )
    model = keras.Sequential([layer])
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.eye(4, dtype="float32")[[0, 0, 0, 0, 0, 2, 2, 2]] * 3
    model.fit(x, x[:, :3], verbose=0)
    found = layer.routing_statistics()
    np.testing.assert_allclose(found["load"], [5 / 8, 0, 3 / 8, 0])
    # 5/8 is 2.5 times the mean load of 1/4.
    assert found["load_violation"] == pytest.approx(1.5)
    assert found["dead"] == 2 and found["experts_per_token"] == 1.0
    # Scores of softmax([3, 0, 0, 0]), and their entropy over that of four equal ones.
    p = np.exp([3, 0, 0, 0]) / np.exp([3, 0, 0, 0]).sum()
    assert found["entropy"] == pytest.approx(-(p * np.log(p)).sum() / np.log(4), rel=1e-5)


# What shows that an argument does something: arguments to start from, which switch on whatever is
# needed, and changes, each made by itself. Arguments that need others to start from follow in pairs
# of their own. `shape` is that of the inputs.
DENSE = {"bias_initializer": "ones"}
ROUTER = {"balance_loss": 0.1}
FEATURES = {"kinds": ["value", "value", "bin", "bin", "bin", "missing"]}
KNOBS = {
    GroupedDense: (
        {"num_groups": 3, "units": 4} | DENSE,
        {
            "num_groups": 2,
            "units": 5,
            "activation": "tanh",
            "use_bias": False,
            "kernel_initializer": "he_normal",
            "bias_initializer": "normal",
            "kernel_regularizer": "l2",
            "bias_regularizer": "l2",
            "kernel_constraint": keras.constraints.MaxNorm(0.1),
            "bias_constraint": keras.constraints.MaxNorm(0.1),
            "role": "expert",
        },
    ),
    DenseExperts: (
        {"num_experts": 3, "units": 4} | DENSE,
        {
            "num_experts": 4,
            "units": 5,
            "activation": "tanh",
            "use_bias": False,
            "kernel_initializer": "he_normal",
            "bias_initializer": "normal",
            "kernel_regularizer": "l2",
            "bias_regularizer": "l2",
            "kernel_constraint": keras.constraints.MaxNorm(0.1),
            "bias_constraint": keras.constraints.MaxNorm(0.1),
        },
    ),
    MLPExperts: (
        {"num_experts": 3, "hidden_dim": 8, "dropout": 0.4, "seed": 1} | DENSE,
        feed_forward := {
            "num_experts": 4,
            "hidden_dim": 9,
            "output_dim": 5,
            "activation": "tanh",
            "use_bias": False,
            "dropout": 0.1,
            "seed": 2,
            "kernel_initializer": "he_normal",
            "bias_initializer": "normal",
            "kernel_regularizer": "l2",
        },
    ),
    GLUExperts: (
        {"num_experts": 3, "hidden_dim": 8, "dropout": 0.4, "seed": 1, "use_bias": True} | DENSE,
        feed_forward | {"limit": 0.2, "alpha": 1.702, "up_offset": 1.0},
    ),
    DepthSharedMixtureOfExperts: (
        {
            "experts": lambda: DenseExperts(4, 6),
            "num_depths": 2,
            "capacity_factor": 1.0,
        },
        {
            "experts": lambda: DenseExperts(5, 6),
            "num_depths": 3,
            "num_experts": 6,
            "router": "threshold",
            "shared_expert": lambda: keras.layers.Dense(6),
            "capacity_factor": 0.5,
            "eval_capacity_factor": 0.5,
            "drop_order": "score",
        },
    ),
    GatedSharedExpert: (
        {"layer": lambda: keras.layers.Dense(4)},
        {
            "layer": lambda: keras.layers.Dense(5),
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
        },
    ),
    LayerExperts: (
        {"layer": lambda: keras.layers.Dense(4), "num_experts": 3},
        {"layer": lambda: keras.layers.Dense(5), "num_experts": 4, "route_by": "example"},
    ),
    TiedExperts: (
        {"num_experts": 3, "units": 4} | DENSE,
        {
            "num_experts": 4,
            "units": 5,
            "activation": "tanh",
            "use_bias": False,
            "kernel_initializer": "he_normal",
            "scale_initializer": "random_normal",
            "bias_initializer": "normal",
            "kernel_regularizer": "l2",
        },
    ),
    TopKRouter: (
        {"num_experts": 4, "jitter": 0.2, "seed": 1} | ROUTER,
        (
            router := {
                "num_experts": 5,
                "k": 3,
                "normalize": False,
                "balance_loss": 0.5,
                "z_loss": 0.5,
                "importance_loss": 0.5,
                "jitter": 0.4,
                "seed": 2,
                "use_bias": True,
                "kernel_initializer": "he_normal",
                "kernel_regularizer": "l2",
            }
        )
        | {
            "score": "sigmoid",
            "select_on": "score_plus_bias",
            "scale": 2.0,
            "per_expert_scale": True,
            "noise": True,
            "mean_entropy_loss": 0.5,
            "token_entropy_loss": 0.5,
        },
        {"num_experts": 12, "k": 4, "num_groups": 4, "groups_kept": 2},
        {"num_groups": 6, "groups_kept": 3, "group_score": "top2_sum"},
        {"num_experts": 4, "select_on": "score_plus_bias", "bias_update_rate": 0.1},
        {"bias_update_rate": 0.2, "bias_update_every": 2},
        {"num_experts": 4, "noise": True, "seed": 1},
        {"load_loss": 0.5},
        {"num_experts": 4, "shape": (30, 3, 6)},
        {"sequence_balance_loss": 0.5},
    ),
    ThresholdRouter: (
        {"num_experts": 4, "jitter": 0.2, "seed": 1} | ROUTER,
        {k: v for k, v in router.items() if k not in ("k", "z_loss")}
        | {"threshold": 0.6, "max_experts": 1, "normalize": True, "use_bias": False},
    ),
    ReLURouter: (
        {"num_experts": 4, "jitter": 0.2, "seed": 1} | ROUTER,
        {k: v for k, v in router.items() if k not in ("normalize", "z_loss")}
        | {"max_experts": 2, "l1_initial": 0.1, "l1_multiplier": 3.0, "use_bias": False},
    ),
    FeatureGate: (
        {"seed": 1},
        {
            "gate": "threshold",
            "threshold": 0.999,
            "penalty": 0.5,
            "initial_gate": 0.6,
            "groups": [0, 1, 2, 0, 1, 2],
            "seed": 2,
        },
    ),
    MixtureOfExperts: (
        {"capacity_factor": 1.0, "experts": {"type": "dense", "num_experts": 4, "units": 4}},
        {
            "experts": {"type": "dense", "num_experts": 4, "units": 5},
            "num_experts": 6,
            "k": 3,
            "router": "threshold",
            "shared_expert": lambda: keras.layers.Dense(4),
            "capacity_factor": 0.5,
            "eval_capacity_factor": 0.5,
            "drop_order": "score",
        },
    ),
    SoftMixtureOfExperts: (
        {"experts": {"type": "dense", "num_experts": 4, "units": 4}},
        {
            "experts": {"type": "dense", "num_experts": 4, "units": 5},
            "num_experts": 6,
            "slots_per_expert": 2,
            "normalize": False,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
        },
    ),
    DenseRouter: (
        {"num_experts": 4, "jitter": 0.2, "seed": 1},
        {k: v for k, v in router.items() if k not in ("k", "normalize", "balance_loss", "z_loss")},
    ),
    UniformRouter: ({"num_experts": 4}, {"num_experts": 5}),
    BalancedRouter: (
        {"num_experts": 4, "shuffle": True, "seed": 1},
        {k: v for k, v in router.items() if k not in ("normalize", "balance_loss", "z_loss")}
        | {"equal_weights": True, "shuffle": False},
    ),
    ExpertChoiceRouter: (
        {"num_experts": 4, "jitter": 0.2, "seed": 1},
        {k: v for k, v in router.items() if k not in ("k", "normalize", "balance_loss", "z_loss")}
        | {"capacity_factor": 1.0, "group_by": "example", "threshold_decay": 0.5},
    ),
    HierarchicalRouter: (
        {"num_experts": 8, "jitter": 0.2, "seed": 1},
        {k: v for k, v in router.items() if k not in ("normalize", "z_loss")}
        | {
            "num_experts": 12,
            "num_groups": 4,
            "groups_kept": 2,
            "normalize": False,
            "mean_entropy_loss": 0.5,
            "token_entropy_loss": 0.5,
        },
        {"num_experts": 8, "num_groups": 4, "k": 4, "groups_kept": 2, "shape": (30, 3, 6)},
        {"sequence_balance_loss": 0.5},
    ),
    SinkhornRouter: (
        {"num_experts": 4, "jitter": 0.2, "seed": 1},
        {k: v for k, v in router.items() if k not in ("normalize", "balance_loss", "z_loss")}
        | {"temperature": 3.0, "iterations": 1, "normalize": False},
    ),
    DSelectKRouter: (
        {"num_experts": 4, "jitter": 0.2, "seed": 1},
        {k: v for k, v in router.items() if k not in ("normalize", "balance_loss", "z_loss")}
        | {
            "use_bias": False,
            "gamma": 0.5,
            "entropy_loss": 0.5,
            "entropy_warmup_steps": 10,
        },
        {"num_experts": 4, "k": 3},
        {"per_example": False},
    ),
    HashRouter: (
        {"vocabulary_size": 10, "num_experts": 4},
        {"vocabulary_size": 20, "num_experts": 5, "k": 2, "seed": 1},
    ),
    LowRankExperts: (
        {"num_experts": 3, "rank": 2},
        {
            "num_experts": 4,
            "rank": 3,
            "activation": "relu",
            "output_dim": 5,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
        },
    ),
    CrossMixture: (
        {"experts": lambda: LowRankExperts(4, 2), "router": "top_k", "capacity_factor": 1.0},
        {
            "experts": lambda: LowRankExperts(4, 3),
            "router": "threshold",
            "capacity_factor": 0.5,
            "eval_capacity_factor": 0.5,
        },
    ),
    MultiGateMixtureOfExperts: (
        {
            "experts": lambda: {"all": DenseExperts(4, 3), "own": DenseExperts(2, 3)},
            "routers": {"a": "dense", "b": "top_k"},
        },
        {
            "experts": lambda: {"all": DenseExperts(4, 3), "own": DenseExperts(3, 3)},
            "routers": {"a": "dense", "b": "dense"},
            "visible": {"b": ["all"]},
        },
    ),
    ExpertEnsemble: (
        {"experts": lambda: TiedExperts(3, 4)},
        {"experts": lambda: TiedExperts(3, 5)},
    ),
    FeedForward: (
        {"hidden_dim": 5, "dropout": 0.3, "seed": 1},
        {
            "hidden_dim": 6,
            "activation": "tanh",
            "gated": False,
            "use_bias": True,
            "dropout": 0.5,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
            "seed": 2,
        },
    ),
    LatentAttention: (
        {
            "num_heads": 2,
            "kv_lora_rank": 3,
            "qk_nope_head_dim": 2,
            "qk_rope_head_dim": 4,
            "v_head_dim": 5,
            "rotary": lambda: RotaryEmbedding(),
        },
        {
            "num_heads": 3,
            "kv_lora_rank": 4,
            "qk_nope_head_dim": 3,
            "qk_rope_head_dim": 2,
            "v_head_dim": 4,
            "rotary": lambda: RotaryEmbedding(partial_rotary_factor=0.5),
            "q_lora_rank": 3,
            "causal": False,
            "norm_epsilon": 0.1,
            "scale": 2.0,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
        },
    ),
    TransformerBlock: (
        {
            "attention": lambda: GroupedQueryAttention(2),
            "feed_forward": lambda: FeedForward(5),
            "dropout": 0.3,
            "seed": 1,
        },
        {
            "attention": lambda: GroupedQueryAttention(3),
            "feed_forward": lambda: MixtureOfExperts(MLPExperts(4, 5)),
            "norm": "layer",
            "norm_placement": "post",
            "norm_epsilon": 0.1,
            "dropout": 0.5,
            "residual_multiplier": 0.5,
            "seed": 2,
        },
    ),
    GroupedQueryAttention: (
        {"num_heads": 2, "qk_norm": "head"},
        {
            "num_heads": 3,
            "num_kv_heads": 1,
            "head_dim": 4,
            "rotary": lambda: RotaryEmbedding(partial_rotary_factor=0.7),
            "causal": False,
            "sliding_window": 1,
            "qkv_bias": True,
            "output_bias": True,
            "qk_norm": "all",
            "norm_epsilon": 0.1,
            "clip_qkv": 0.1,
            "sinks": True,
            "scale": 2.0,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
        },
    ),
    RMSNormalization: ({}, {"epsilon": 0.1}),
    RotaryEmbedding: (
        {},
        {"theta": 50.0, "partial_rotary_factor": 0.7, "interleaved": True},
        {"rope_type": "linear", "factor": 2.0},
        {"factor": 3.0},
        {"rope_type": "llama3", "factor": 2.0, "original_max_position_embeddings": 8},
        {
            "rope_type": "yarn",
            "original_max_position_embeddings": 9,
            "low_freq_factor": 0.5,
            "high_freq_factor": 8.0,
        },
        (yarn := {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 80})
        | {"theta": 10.0, "mscale_all_dim": 2.0},
        {
            "beta_fast": 2.0,
            "beta_slow": 0.5,
            "truncate": False,
            "mscale": 0.5,
            "attention_factor": 2.0,
        },
        yarn | {"mscale": 1.0, "mscale_all_dim": 1.5},
        {"mscale_all_dim": 2.0},
    ),
    EnsembleHead: (
        {"units": 3},
        {"units": 4, "activation": "softmax", "kernel_initializer": "he_normal"},
    ),
    PiecewiseLinearEmbedding: (
        {"dim": 3, "groups": [0, 1, 0, 0, 1, 0]} | FEATURES,
        {
            "dim": 4,
            "groups": [0, 1, 0, 0, 1, 1],
            "kinds": ["value", "value", "bin", "bin", "bin", "bin"],
            "linear": False,
            "activation": "tanh",
            "kernel_initializer": "he_normal",
        },
    ),
    PeriodicEmbedding: (
        {"dim": 3, "groups": [0, 1, 0, 0, 1, 0]} | FEATURES,
        {
            "dim": 4,
            "groups": [0, 1, 0, 0, 1, 1],
            "kinds": ["value", "value", "bin", "bin", "bin", "bin"],
            "frequencies": 5,
            "sigma": 0.5,
            "shared": True,
            "activation": "tanh",
            "kernel_initializer": "he_normal",
        },
    ),
}
KNOBS[CosineRouter] = (
    *KNOBS[TopKRouter],
    {"num_experts": 8, "seed": 1},
    {"projection_dim": 3, "initial_temperature": 0.5},
)
# What a router refuses, since it would do nothing.
REFUSED = {
    DenseRouter: {"balance_loss": 0.1},
    UniformRouter: {k: v for k, v in router.items() if k not in ("k", "normalize", "z_loss")},
}
REFUSED[UniformRouter].pop("num_experts")
REFUSED[HashRouter] = {k: v for k, v in REFUSED[UniformRouter].items() if k != "seed"}
for _router in (BalancedRouter, DSelectKRouter, ExpertChoiceRouter, SinkhornRouter):
    REFUSED[_router] = {"balance_loss": 0.1}
REFUSED[HierarchicalRouter] = {"bias_update_rate": 0.1, "bias_update_every": 2}
# Tokens of examples, where it matters.
SHAPES = {
    cls: (30, 3, 6)
    for cls in (
        ExpertChoiceRouter,
        GroupedQueryAttention,
        LatentAttention,
        LayerExperts,
        RotaryEmbedding,
        SoftMixtureOfExperts,
        TransformerBlock,
    )
}
WRAPPERS = {
    GroupedDense: ByLargestFeature,
    ExpertEnsemble: MembersSideBySide,
    EnsembleHead: OfTwoMembers,
    MultiGateMixtureOfExperts: AllGates,
    DepthSharedMixtureOfExperts: EveryDepth,
}


def arguments_of(cls):
    names = set()
    for parent in cls.__mro__:
        if parent.__module__.startswith("keras."):
            return names - {"self", "kwargs", "args"}
        if "__init__" in vars(parent):
            names |= set(inspect.signature(parent.__init__).parameters)


def fingerprint(cls, arguments):
    """Yields what a user can see of a layer, as lists of arrays: weights and outputs, at first and
    after each of two training steps, and losses. The cheapest comes first.
    """
    keras.utils.set_random_seed(0)
    arguments = {name: v() if inspect.isfunction(v) else v for name, v in arguments.items()}
    shape = arguments.pop("shape", SHAPES.get(cls, (30, 6)))
    layer = cls(**arguments)
    if isinstance(layer, HashRouter):
        whole = IdsOfFirstFeature(
            MixtureOfExperts(DenseExperts(layer.num_experts, 4), router=layer)
        )
    elif isinstance(layer, layers.Router):
        whole = MixtureOfExperts(DenseExperts(layer.num_experts, 4), router=layer)
    elif isinstance(layer, layers.Experts):
        whole = MixtureOfExperts(layer)
    else:
        whole = WRAPPERS.get(cls, lambda layer: layer)(layer)
    model = keras.Sequential([whole])
    x = draw(*shape)
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
    outputs = to_numpy(model(x))
    yield [np.array(w.name) for w in model.weights]
    y = np.ones(outputs.shape, "float32")
    for step in range(3):
        if step:
            yield [to_numpy(model.train_on_batch(x, y))]
        yield [to_numpy(w) for w in model.weights]
        yield [to_numpy(model(x))]
    if isinstance(layer, FeatureGate):
        yield [layer.selected_features()]


def differ(before, after):
    """Whether two fingerprints differ; the second one is read as far as it takes to see it."""
    return any(
        len(a) != len(b)
        or any(p.shape != q.shape or not np.array_equal(p, q) for p, q in zip(a, b, strict=True))
        for a, b in zip(before, after, strict=True)
    )


# What takes less than a few seconds; the others have more arguments.
_QUICK = {DenseExperts, FeatureGate, GatedSharedExpert, MixtureOfExperts, ThresholdRouter}


@pytest.mark.parametrize("cls", slow_but_for(_QUICK, KNOBS), ids=lambda cls: cls.__name__)
def test_every_argument_does_something(cls):
    """Seen in dl_techniques, Ludwig and FuxiCTR: knobs that turn nothing."""
    pairs = list(zip(KNOBS[cls][::2], KNOBS[cls][1::2], strict=True))
    refused = REFUSED.get(cls, {})
    assert set(refused).union(*(changes for _, changes in pairs)) == arguments_of(cls)
    for name, value in refused.items():
        with pytest.raises(ValueError, match=name):
            cls(**pairs[0][0] | {name: value})
    for baseline, changes in pairs:
        each_does_something(cls, baseline, changes)


def each_does_something(cls, baseline, changes):
    before = list(fingerprint(cls, baseline))
    assert not differ(before, fingerprint(cls, baseline))
    for name, value in changes.items():
        arguments = {**baseline, name: value}
        if name == "num_experts" and "experts" in baseline:
            units = 4 if cls is MixtureOfExperts else 6
            arguments["experts"] = lambda units=units: keras.layers.Dense(units)
        assert differ(before, fingerprint(cls, arguments)), f"`{name}` does nothing"


def test_every_layer_has_its_knobs_tested():
    public = {getattr(layers, name) for name in layers.__all__}
    # A SparseProjection is a `keras.layers.Dense`, with no argument of its own.
    assert set(KNOBS) == public - {layers.Experts, layers.Router, SparseProjection}


def test_expert_load_does_not_count_what_evaluation_routes():
    layer = collapsed(1)
    model = keras.Sequential([layer])
    model.compile("sgd", "mse")
    x = draw(20, 3)
    history = model.fit(
        x,
        x,
        validation_data=(draw(500, 3), draw(500, 3)),
        verbose=0,
        callbacks=[ExpertLoad(per_layer=True)],
    )
    assert history.history["load_violation"] == [pytest.approx(3.0)]
    assert to_numpy(layer.statistics["router"].sums)[:4].sum() == 20


@pytest.mark.torch
@pytest.mark.parametrize("layer", [GroupedDense, MLPExperts, GLUExperts, MixtureOfExperts])
def test_methods_of_torch_modules_stay(layer):
    """On PyTorch a layer is a `torch.nn.Module`, whose `apply` is another thing than ours."""
    import torch

    assert layer.apply is torch.nn.Module.apply


def test_integer_inputs():
    """Keras casts floating-point inputs only; Dense takes integers on every backend."""
    layer = MixtureOfExperts(MLPExperts(4, 3), k=2)
    x = np.arange(12).reshape(3, 4)
    expected = ops.convert_to_numpy(layer(x.astype("float32")))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x.astype("int32"))), expected)
