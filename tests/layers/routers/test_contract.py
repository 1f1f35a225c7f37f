"""What routers promise to mixtures, by random routings: `RouterContract` and `Routing`."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras import layers
from sparse_keras.layers import Router, TopKRouter
from sparse_keras.layers.routers import ROUTERS
from sparse_keras.layers.routers.routing import Routing, every_slot
from tests.support.quick import slow_but_for

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


def made(case):
    """A router of the same weights and random numbers each time."""
    keras.utils.set_random_seed(0)
    router = CLASSES[case.partition(",")[0]](num_experts=E, **CASES[case])
    router.build((None, D))
    return router


def tokens_of(router, count=N, seed=0):
    """Random tokens, and their ids if the router needs them, as arguments of a call."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, VOCABULARY, count).astype("int32")
    return {
        "inputs": rng.normal(size=(count, D)).astype("float32"),
        **({"token_ids": ids} if router.takes_token_ids else {}),
    }


def routed(router, tokens, rows=slice(None), training=False):
    """The entries of a routing of some rows, every expert's weight among them."""
    tokens = {name: ops.convert_to_tensor(values[rows]) for name, values in tokens.items()}
    routing = router(**tokens, training=training)
    return {key: ops.convert_to_numpy(value) for key, value in routing.items()}


def differences(found, expected):
    """The most that entries of two routings differ by."""
    return max(np.abs(1.0 * found[key] - expected[key]).max() for key in Routing.__annotations__)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_token_is_predicted_alone_where_a_router_says_so_and_nowhere_else(case, trained):
    router = made(case)
    tokens = tokens_of(router)
    if trained:
        routed(router, tokens_of(router, seed=1), training=True)
    together = routed(router, tokens)
    found = [
        differences({key: value[0] for key, value in routed(router, tokens, [n]).items()}, one)
        for n in (0, 1, 11, N - 1)
        for one in [{key: value[n] for key, value in together.items()}]
    ]
    if router.predicts_alone:
        assert max(found) < 1e-5
    else:
        assert max(found) > 0.1


@pytest.mark.parametrize("case", CASES)
def test_later_tokens_change_a_routing_where_a_router_says_so_and_nowhere_else(case):
    """In training; a router that looks at others in prediction looks at them in training, too."""
    found = []
    for seed in range(3):
        both = []
        for later in (10, 20):
            router = made(case)
            tokens, others = tokens_of(router, seed=seed), tokens_of(router, seed=seed + later)
            for name in tokens:
                tokens[name][N // 2 :] = others[name][N // 2 :]
            if seed == 0:  # Training has gone on for a step.
                routed(router, tokens_of(router, seed=9), training=True)
            routing = routed(router, tokens, training=True)
            both.append({key: value[: N // 2] for key, value in routing.items()})
        found.append(differences(*both))
    if router.sees_other_tokens:
        assert max(found) > 0.1
    else:
        assert max(found) < 1e-5


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_routing_is_that_of_float32_and_the_same_each_time(case, training):
    """In a model of lower precision too; random numbers are those of the seed."""
    results = []
    for policy in ("float32", "float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        router = made(case)
        tokens = tokens_of(router)
        # Values that bfloat16 knows, as a mixture in that policy passes on.
        tokens["inputs"] = np.round(tokens["inputs"] * 8) / 8
        results.append(routed(router, tokens, training=training))
    for other in results[1:]:
        for key, value in results[0].items():
            np.testing.assert_array_equal(other[key], value)
            assert other[key].dtype == value.dtype


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "case, jit_compile",
    slow_but_for(
        [*((case, False) for case in ("top_k", "balanced", "expert_choice, thresholds"))],
        [(case, jit_compile) for case in CASES for jit_compile in (False, True)],
    ),
)
def test_a_compiled_routing_is_the_eager_one(case, jit_compile):
    """Outside training, where nothing is random, and with a number of tokens that is not known."""
    import tensorflow as tf

    router = made(case)
    tokens = tokens_of(router)
    signature = {name: tf.TensorSpec([None, *v.shape[1:]], v.dtype) for name, v in tokens.items()}

    @tf.function(jit_compile=jit_compile, input_signature=list(signature.values()))
    def compiled(*values):
        return router(**dict(zip(signature, values, strict=True)), training=False)

    for rows in (slice(None), slice(1), slice(0)):
        found = compiled(*(tf.convert_to_tensor(v[rows]) for v in tokens.values()))
        for key, value in routed(router, tokens, rows).items():
            np.testing.assert_allclose(found[key].numpy(), value, rtol=1e-5, atol=1e-6)


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
