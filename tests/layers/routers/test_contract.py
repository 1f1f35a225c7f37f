"""What routers promise to mixtures, by random routings: `RouterContract` and `Routing`."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import layers
from sparse_keras.layers import Router, TopKRouter
from sparse_keras.layers.routers import ROUTERS
from sparse_keras.layers.routers.routing import Routing, every_slot

N, D, E, VOCABULARY = 24, 6, 8, 11

# Each router by its name in configs, and those with options that change a promise.
CASES = {
    **{name: {} for name in ROUTERS},
    "top_k, noise": {"noise": True, "k": 3},
    "top_k, bias": {"select_on": "score_plus_bias"},
    "threshold, most 3": {"max_experts": 3},
    "relu, most 3": {"max_experts": 3},
    "balanced, equal weights": {"equal_weights": True, "shuffle": True},
    "expert_choice, thresholds": {"threshold_decay": 0.9},
    "hash": {"vocabulary_size": VOCABULARY, "k": 2},
}
CLASSES = {**ROUTERS, "hash": layers.HashRouter}


def routings(case, training, count=4):
    """Some routings of random tokens, each with its mask, of one router."""
    rng = np.random.default_rng(0)
    router = CLASSES[case.partition(",")[0]](num_experts=E, **CASES[case])
    ids = ops.convert_to_tensor(rng.integers(0, VOCABULARY, N), "int32")
    more = {"token_ids": ids} if router.takes_token_ids else {}
    for _ in range(count):
        x = rng.normal(size=(N, D)).astype("float32")
        mask = rng.random(N) < 0.8
        routing = router(
            ops.convert_to_tensor(x), mask=ops.convert_to_tensor(mask), **more, training=training
        )
        yield router, x, mask, {key: ops.convert_to_numpy(value) for key, value in routing.items()}


@pytest.mark.parametrize("case", CASES)
def test_flags_are_true_of_every_routing(case):
    for training in (False, True):
        for router, _, mask, routing in routings(case, training):
            is_open, weight = routing["is_open"], routing["weight"]
            assert not is_open[~mask].any() and not weight[~is_open].any()
            if router.always_open:
                assert is_open[mask].all()
            if router.slots_are_experts:
                assert (routing["expert_index"] == np.arange(E)).all()
            assert (routing["scores"] >= 0).all()
            most = router.most_open((N, D), training)
            assert most is None or is_open.sum() <= most
            # The experts of a token differ.
            chosen = np.where(is_open, routing["expert_index"], -1 - np.arange(router.slots))
            assert all(len(set(row)) == router.slots for row in chosen.tolist())


@pytest.mark.parametrize("case", CASES)
def test_a_routing_has_the_documented_entries(case):
    router, x, _, routing = next(routings(case, False))
    expected = {
        "expert_index": ("int32", router.slots),
        "weight": ("float32", router.slots),
        "is_open": ("bool", router.slots),
        "scores": ("float32", E),
        "logits": ("float32", E),
    }
    assert {*expected} == {*Routing.__annotations__}
    for key, (dtype, width) in expected.items():
        assert (str(routing[key].dtype), routing[key].shape) == (dtype, (N, width))
    spec = router.compute_output_spec(keras.KerasTensor((N, D)))
    assert {key: (tuple(s.shape), s.dtype) for key, s in spec.items()} == {
        key: (value.shape, str(value.dtype)) for key, value in routing.items()
    }
    assert router.experts_per_token <= router.slots <= E


@pytest.mark.parametrize("case", CASES)
def test_what_a_token_gets_depends_on_others_only_where_a_flag_says_so(case):
    router, x, mask, _ = next(routings(case, True))  # Built, and with thresholds of a step.
    others = x.copy()
    others[1:] = x[:0:-1]
    more = {"token_ids": ops.zeros(N, "int32")} if router.takes_token_ids else {}
    if getattr(router, "noise", False) or getattr(router, "shuffle", False):
        trainings = [False]  # Else draws differ.
    else:
        trainings = [False, True]
    for training in trainings:
        if router.predicts_alone if not training else not router.sees_other_tokens:
            first, second = (
                router(ops.convert_to_tensor(rows), training=training, **more)
                for rows in (x, others)
            )
            for key in Routing.__annotations__:
                np.testing.assert_allclose(
                    ops.convert_to_numpy(first[key])[0],
                    ops.convert_to_numpy(second[key])[0],
                    rtol=1e-5,
                    atol=1e-6,
                )


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_that_are_named(case):
    pairs = {"balance_loss": 0.1, "importance_loss": 0.2}
    cls, arguments = CLASSES[case.partition(",")[0]], CASES[case]
    if cls in (layers.UniformRouter, layers.HashRouter) or "equal_weights" in arguments:
        pairs = {}
    elif not cls.takes_balance_loss:
        del pairs["balance_loss"]
    router = cls(num_experts=E, **arguments, **pairs)
    more = {"token_ids": ops.zeros(N, "int32")} if router.takes_token_ids else {}
    routing = router(ops.ones((N, D)), training=True, **more)
    load = ops.ones(E)
    assert {*router.auxiliary_losses(routing, load)} == {*router.loss_names} >= {*pairs}


def test_a_promise_does_not_outlive_the_choice_it_is_about():
    class Same(TopKRouter):
        """Another way to make logits is the same choice."""

        def compute_logits(self, inputs):
            return 2.0 * super().compute_logits(inputs)

    class Closing(TopKRouter):
        def route(self, logits):
            routing = super().route(logits)
            return {**routing, "is_open": routing["weight"] > 0.3}

    class Mixin:
        def decide(self, inputs, mask=None, training=None):
            return super().decide(inputs, mask, training)

    class Mixed(Mixin, TopKRouter):
        pass

    class Promising(Closing):
        always_open = True

        def route(self, logits):
            return TopKRouter.route(self, logits)

    class Silent(Promising):
        pass

    class ClosingThreshold(layers.ThresholdRouter):
        def call(self, inputs, mask=None, training=None):
            return super().call(inputs, mask, training)

    assert [cls(num_experts=4).always_open for cls in (TopKRouter, Same, Closing, Mixed)] == [
        *(True, True, False, False)
    ]
    assert Promising(num_experts=4).always_open and Silent(num_experts=4).always_open
    assert layers.ThresholdRouter(num_experts=4).slots_are_experts
    assert not layers.ThresholdRouter(num_experts=4, max_experts=2).slots_are_experts
    assert not ClosingThreshold(num_experts=4).slots_are_experts


def test_a_router_that_promises_nothing_is_safe():
    class Every(Router):
        experts_per_token = 4

        def route(self, logits):
            return {**every_slot(ops.softmax(logits)), "scores": ops.softmax(logits)}

    router = Every(num_experts=4)
    flags = ("always_open", "slots_are_experts", "sees_other_tokens", "takes_token_ids")
    assert not any(getattr(router, flag) for flag in flags)
    assert router.predicts_alone and router.slots == 4 and router.loss_names == ()
