"""Mistakes get one clear error each: what was expected, what came, and the nearest valid thing."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import (
    CrossMixture,
    DenseExperts,
    FeatureGate,
    GatedSharedExpert,
    GLUExperts,
    GroupedDense,
    HashRouter,
    LowRankExperts,
    MixtureOfExperts,
    MLPExperts,
    MultiGateMixtureOfExperts,
    ReLURouter,
    ThresholdRouter,
    TiedExperts,
    TopKRouter,
)

X = np.ones((6, 4), "float32")


def bank(num_experts=4, **kwargs):
    return DenseExperts(num_experts, 3, **kwargs)


def used_twice(part):
    first, _second = MixtureOfExperts(**part), MixtureOfExperts(**part)
    first(X)


MISTAKES = {
    "rank 1": (lambda: MixtureOfExperts(bank())(X[0]), ["rank 2, 3 or 4", "(4,)"]),
    "rank 5": (lambda: MixtureOfExperts(bank())(np.ones((1, 1, 1, 1, 4))), ["rank 2, 3 or 4"]),
    "unknown width": (
        lambda: MixtureOfExperts(bank())(keras.Input((3, None))),
        ["static last axis", "None"],
    ),
    "k over E": (lambda: MixtureOfExperts(bank(), k=5)(X), ["k=5", "num_experts=4"]),
    "max_experts over E": (
        lambda: MixtureOfExperts(bank(), router=ThresholdRouter(max_experts=7))(X),
        ["max_experts=7", "num_experts=4"],
    ),
    "k 0": (lambda: MixtureOfExperts(bank(), k=0), ["`k`", "positive integer", "k=0"]),
    "k not whole": (lambda: TopKRouter(k=1.5), ["positive integer", "1.5"]),
    "k True": (lambda: TopKRouter(k=True), ["positive integer", "True"]),
    "unknown router": (
        lambda: MixtureOfExperts(bank(), router="topk"),
        ["a router", "'topk'", "Did you mean 'top_k'?", "threshold"],
    ),
    "unknown bank": (
        lambda: MixtureOfExperts({"type": "mpl", "num_experts": 4, "hidden_dim": 3}),
        ["Did you mean 'mlp'?"],
    ),
    "router of another kind": (lambda: MixtureOfExperts(bank(), router=3), ["a router", "3"]),
    "unknown argument of a router": (
        lambda: MixtureOfExperts(bank(), router={"type": "top_k", "kk": 3}),
        ["kk"],
    ),
    "k twice": (
        lambda: MixtureOfExperts(bank(), k=1, router=TopKRouter(k=2)),
        ["disagree", "k=1", "k=2"],
    ),
    "k for a router without": (
        lambda: MixtureOfExperts(bank(), k=2, router=ThresholdRouter()),
        ["disagree", "ThresholdRouter"],
    ),
    "num_experts twice": (
        lambda: MixtureOfExperts(bank(4), num_experts=8),
        ["has 4 experts", "num_experts=8"],
    ),
    "router of another bank": (
        lambda: MixtureOfExperts(bank(4), router=TopKRouter(num_experts=8)),
        ["8 experts", "4"],
    ),
    "template without num_experts": (
        lambda: MixtureOfExperts(keras.layers.Dense(3)),
        ["`num_experts`"],
    ),
    "template that is no layer": (
        lambda: MixtureOfExperts(keras.layers.Conv1D, num_experts=4),
        ["Keras layer as template", "Conv1D", "MLPExperts"],
    ),
    "template with activity_regularizer": (
        lambda: MixtureOfExperts(keras.layers.Dense(3, activity_regularizer="l2"), num_experts=4),
        ["activity_regularizer"],
    ),
    "bank with activity_regularizer": (
        lambda: bank(activity_regularizer="l2"),
        ["activity_regularizer"],
    ),
    "bank used twice": (lambda: used_twice({"experts": bank()}), ["is part of", "its own"]),
    "router used twice": (
        lambda: (
            (router := TopKRouter()),
            (first := MixtureOfExperts(bank(), router=router)),
            (_second := MixtureOfExperts(bank(), router=router)),
            first(X),
        ),
        ["is part of", "its own"],
    ),
    "token ids for many gates": (
        lambda: MultiGateMixtureOfExperts(bank(), {"a": "dense", "b": HashRouter(9)}),
        ["MultiGateMixtureOfExperts", "token ids", "HashRouter", "MixtureOfExperts"],
    ),
    "token ids for a cross layer": (
        lambda: CrossMixture(LowRankExperts(4, 2), router=HashRouter(9)),
        ["CrossMixture", "token ids", "HashRouter"],
    ),
    "shared expert used twice, behind gates": (
        lambda: (
            (shared := keras.layers.Dense(3)),
            (first := MixtureOfExperts(bank(), shared_expert=GatedSharedExpert(shared))),
            (_second := MixtureOfExperts(bank(), shared_expert=GatedSharedExpert(shared))),
            first(X),
        ),
        ["is part of", "its own"],
    ),
    "shared expert of another width": (
        lambda: MixtureOfExperts(bank(), shared_expert=keras.layers.Dense(7))(X),
        ["`shared_expert`", "output shape, (6, 3)", "7"],
    ),
    "shared expert that is no layer": (
        lambda: MixtureOfExperts(bank(), shared_expert=5),
        ["`shared_expert`", "5"],
    ),
    "capacity 0": (
        lambda: MixtureOfExperts(bank(), capacity_factor=0),
        ["`capacity_factor`", "positive"],
    ),
    "capacity NaN": (
        lambda: MixtureOfExperts(bank(), eval_capacity_factor=float("nan")),
        ["`eval_capacity_factor`", "nan"],
    ),
    "mask of too high rank": (
        lambda: MixtureOfExperts(bank())(X, mask=np.ones((6, 4), bool)),
        ["`mask`", "(6, 4)"],
    ),
    "router without num_experts": (lambda: TopKRouter()(X), ["number of experts", "num_experts"]),
    "normalize with k 1": (lambda: TopKRouter(k=1, normalize=True), ["k=1", "gradient"]),
    "normalize with max_experts 1": (
        lambda: ThresholdRouter(max_experts=1, normalize=True),
        ["max_experts=1", "gradient"],
    ),
    "low precision router": (lambda: TopKRouter(dtype="float16"), ["float32", "float16"]),
    "negative loss weight": (lambda: TopKRouter(balance_loss=-1.0), ["`balance_loss`", "-1.0"]),
    "NaN loss weight": (lambda: TopKRouter(z_loss=float("nan")), ["`z_loss`", "nan"]),
    "jitter 1": (lambda: TopKRouter(jitter=1.0), ["`jitter`", "[0, 1)"]),
    "threshold 1": (lambda: ThresholdRouter(threshold=1.0), ["`threshold`", "[0, 1)"]),
    "max_experts under k": (lambda: ReLURouter(k=3, max_experts=2), ["max_experts=2", "k=3"]),
    "l1_multiplier 1": (lambda: ReLURouter(l1_multiplier=1.0), ["`l1_multiplier`"]),
    "l1_initial 0": (lambda: ReLURouter(l1_initial=0.0), ["`l1_initial`"]),
    "no experts": (lambda: MLPExperts(0, 8), ["`num_experts`", "0"]),
    "negative limit": (lambda: GLUExperts(4, 8, limit=-7.0), ["`limit`", "-7.0"]),
    "no slope": (lambda: GLUExperts(4, 8, alpha=0.0), ["`alpha`", "0.0"]),
    "slope of another activation": (
        lambda: GLUExperts(4, 8, activation="gelu", alpha=1.702),
        ["'silu'", "1.702", "'gelu'"],
    ),
    "no hidden units": (lambda: GLUExperts(4, -1), ["`hidden_dim`", "-1"]),
    "no units": (lambda: TiedExperts(4, 0), ["`units`", "0"]),
    "no groups": (lambda: GroupedDense("3", 4), ["`num_groups`", "'3'"]),
    "dropout over 1": (lambda: MLPExperts(4, 8, dropout=1.5), ["1.5"]),
    "group sizes of another bank": (
        lambda: GroupedDense(3, 4)(X, np.array([3, 3], "int32")),
        ["group size"],
    ),
    "unknown gate": (lambda: FeatureGate(gate="hard"), ["'hard_concrete'", "'hard'"]),
    "gate threshold": (lambda: FeatureGate(threshold=1.0), ["`threshold`", "1.0"]),
    "gate penalty": (lambda: FeatureGate(penalty=-0.1), ["`penalty`", "-0.1"]),
    "gate start": (lambda: FeatureGate(initial_gate=1.0), ["`initial_gate`", "1.0"]),
    "gate groups with a gap": (lambda: FeatureGate(groups=[0, 2]), ["`groups`", "[0, 2]"]),
    "gate groups of another width": (lambda: FeatureGate(groups=[0, 1])(X), ["`groups`", "4", "2"]),
    "gate of unknown width": (lambda: FeatureGate()(keras.Input((3, None))), ["None"]),
    "unknown keyword": (lambda: MixtureOfExperts(bank(), capacity=1.0), ["capacity"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(mistake):
    make, said = MISTAKES[mistake]
    with pytest.raises((ValueError, TypeError)) as error:
        make()
    for part in said:
        assert part in str(error.value)


def test_a_refused_layer_leaves_its_parts_free():
    """After a typo is corrected, the same bank can be used."""
    experts, router = bank(), TopKRouter()
    for mistake in ({"router": "topk"}, {"router": router, "capacity_factor": -1.0}):
        with pytest.raises(ValueError):
            MixtureOfExperts(experts, **mistake)
    assert MixtureOfExperts(experts, router=router)(X).shape == (6, 3)


def test_a_shared_expert_in_two_layers_is_refused():
    shared = keras.layers.Dense(3)
    inputs = keras.Input((4,))
    first, second = (MixtureOfExperts(bank(), shared_expert=shared) for _ in range(2))
    second(inputs)
    with pytest.raises(ValueError, match="is part of"):
        first(inputs)
