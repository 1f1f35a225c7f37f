"""Which assignments an expert drops beyond its capacity, against naive lists of them."""

import warnings

import keras
import numpy as np
import pytest

from sparse_keras.layers import DenseExperts, MixtureOfExperts, ThresholdRouter, TopKRouter
from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning
from tests.support import reference
from tests.support.gradients import to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


ROUTERS = {
    "top 1": lambda: TopKRouter(1),
    "top 3": lambda: TopKRouter(3),
    "threshold": lambda: ThresholdRouter(0.5),
}


@pytest.mark.parametrize("order", ["batch_priority", "score"])
@pytest.mark.parametrize("name", ROUTERS)
def test_kept_assignments_equal_the_lists(name, order):
    layer = MixtureOfExperts(
        DenseExperts(5, 4), router=ROUTERS[name](), capacity_factor=0.6, drop_order=order
    )
    x = draw(3, 14, 6)
    mask = np.arange(14) < np.array([[14], [9], [3]])
    y, routing = layer(x, mask=mask, training=True, return_routing=True)
    _, every = layer(x, mask=mask, return_routing=True)  # Nothing is dropped there.
    index, scores = to_numpy(every["expert_index"]).astype(int), to_numpy(every["scores"])
    is_open = to_numpy(every["is_open"]) > 0
    capacity = np.ceil(0.6 * is_open.sum() / 5 - 1e-9)
    kept = reference.kept_by_score(
        index, is_open, scores, 5, capacity, first_choices_first=order == "batch_priority"
    )
    assert 0 < kept.sum() < is_open.sum()
    np.testing.assert_array_equal(to_numpy(routing["is_open"]) > 0, kept)
    weight = to_numpy(every["weight"])
    expected = reference.mixture(layer.experts, x.reshape(-1, 6), index, weight, kept)
    np.testing.assert_allclose(to_numpy(y).reshape(-1, 4), expected, rtol=1e-4, atol=1e-5)


def kept_of(scores, order, k):
    """The assignments that experts of one row each keep, with the scores as logits."""
    router = TopKRouter(k)
    layer = MixtureOfExperts(DenseExperts(2, 3), router=router, drop_order=order, **CAPACITY_1)
    x = np.log(np.array(scores, "float32"))
    layer.build(x.shape)
    router.kernel.assign(np.eye(2))
    return to_numpy(layer(x, training=True, return_routing=True)[1]["is_open"]) > 0


CAPACITY_1 = {"capacity_factor": 1e-3}  # ceil(0.001 * ...) is 1.


def test_by_hand():
    """Three tokens and two experts. The first choices are 0, 0 and 1."""
    scores = [[0.6, 0.4], [0.9, 0.1], [0.45, 0.55]]
    first, second = [[True], [False], [True]], [[False], [True], [True]]
    np.testing.assert_array_equal(kept_of(scores, "position", 1), first)
    np.testing.assert_array_equal(kept_of(scores, "batch_priority", 1), second)
    np.testing.assert_array_equal(kept_of(scores, "score", 1), second)


def test_a_second_choice_may_score_higher_than_a_first():
    """Expert 0 is the second choice of token 0 with the logit 2, the first of token 1 with 1.

    In the order of scores the second choice stays. Else first choices come first.
    """
    router = TopKRouter(2, score="sigmoid")
    x = np.array([[2.0, 3.0], [1.0, 0.5]], "float32")
    kept = {}
    for order in ("position", "batch_priority", "score"):
        layer = MixtureOfExperts(
            DenseExperts(2, 3),
            router=TopKRouter.from_config(router.get_config()),
            drop_order=order,
            **CAPACITY_1,
        )
        layer.build(x.shape)
        layer.router.kernel.assign(np.eye(2))
        routing = layer(x, training=True, return_routing=True)[1]
        kept[order] = (to_numpy(routing["is_open"]) > 0).tolist()
    assert kept["position"] == kept["batch_priority"] == [[True, False], [True, False]]
    assert kept["score"] == [[True, True], [False, False]]


@pytest.mark.parametrize("order", ["batch_priority", "score"])
def test_among_equals_the_position_decides(order):
    scores = [[0.75, 0.25]] * 3
    np.testing.assert_array_equal(kept_of(scores, order, 1), [[True], [False], [False]])


def test_a_compiled_model_keeps_the_same():
    layer = MixtureOfExperts(
        DenseExperts(4, 3), eval_capacity_factor=0.5, drop_order="score", name="mixture"
    )
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layer(inputs))
    model.compile(jit_compile=keras.backend.backend() != "torch")
    x = draw(16, 6)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), to_numpy(layer(x)), rtol=1e-5, atol=1e-6
    )
    assert MixtureOfExperts.from_config(layer.get_config()).drop_order == "score"
    assert np.any(np.abs(to_numpy(layer(x)) - to_numpy(layer(x, training=True))) > 1e-3)


def test_wrong_orders():
    with pytest.raises(ValueError, match="must be one of .*'batch_priority'"):
        MixtureOfExperts(DenseExperts(4, 3), capacity_factor=1.0, drop_order="weight")
    with pytest.raises(ValueError, match="no effect if nothing is dropped"):
        MixtureOfExperts(DenseExperts(4, 3), drop_order="score")


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="no mixture takes none on JAX")
@pytest.mark.parametrize("router", ["top_k", "threshold", "balanced", "dense", "expert_choice"])
@pytest.mark.parametrize("order", ["position", "batch_priority", "score"])
def test_no_tokens_and_padding_alone(order, router):
    layer = MixtureOfExperts(
        DenseExperts(4, 3),
        router=router,
        capacity_factor=1.0,
        eval_capacity_factor=1.0,
        drop_order=order,
    )
    for x in (draw(0, 6), draw(3, 6)):
        y = layer(x, mask=np.zeros(len(x), bool))
        np.testing.assert_array_equal(to_numpy(y), np.zeros((len(x), 3)))
        layer(x[:0], training=True)
        layer(x, mask=np.zeros(len(x), bool), training=True)
        assert all(np.isfinite(to_numpy(loss)) for loss in layer.losses)
    found = layer.routing_statistics()
    assert found["assigned"] == found["kept"] == found["dead"] == 0


@pytest.mark.parametrize(
    "router, arguments, later, alone",
    [
        (TopKRouter(1), {}, False, True),
        (TopKRouter(1), {"capacity_factor": 0.5}, False, True),
        (TopKRouter(1), {"eval_capacity_factor": 0.5}, False, False),
        (TopKRouter(1), {"capacity_factor": 0.5, "drop_order": "batch_priority"}, True, True),
        (TopKRouter(1), {"capacity_factor": 0.5, "drop_order": "score"}, True, True),
        (TopKRouter(2), {"capacity_factor": 0.5}, True, True),
        (ThresholdRouter(), {"capacity_factor": 0.5, "eval_capacity_factor": 0.5}, True, False),
    ],
)
def test_a_mixture_says_whether_others_decide_what_is_dropped(router, arguments, later, alone):
    def of_first(x, training):
        return to_numpy(layer(x, training=training))[: 8 if training else 1]

    router = type(router).from_config(router.get_config())  # One for each run of the test.
    layer = MixtureOfExperts(DenseExperts(3, 4), router=router, **arguments)
    assert (layer.sees_other_tokens, layer.predicts_alone) == (later, alone)
    x, changed, together = draw(16, 6), [], []
    for seed in range(1, 5):
        others = np.concatenate([x[:8], draw(8, 6, seed=seed)])
        changed.append(np.abs(of_first(others, True) - of_first(x, True)).max() > 1e-3)
        rows = np.concatenate([draw(9, 6, seed=seed), x[:1]])
        last = to_numpy(layer(rows))[-1]
        together.append(np.abs(last - of_first(x[:1], False)[0]).max() > 1e-3)
    assert (any(changed), not any(together)) == (later, alone)


def test_it_warns_of_the_future_where_experts_drop_tokens_because_of_later_ones():
    inputs = keras.Input((5, 6))
    x = keras.layers.Conv1D(6, 2, padding="causal")(inputs)
    with pytest.warns(RoutingWarning, match="sees the future.*full drop .* Have no capacity"):
        MixtureOfExperts(DenseExperts(4, 3), capacity_factor=1.0)(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MixtureOfExperts(DenseExperts(4, 3), k=1, capacity_factor=1.0)(x)
