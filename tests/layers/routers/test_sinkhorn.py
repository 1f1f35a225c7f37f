"""SinkhornRouter beyond the contract and the loop: how even the load is, extremes, the future."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.callbacks import ExpertLoad, RoutingWarning
from sparse_keras.layers import (
    DenseExperts,
    ExpertChoiceRouter,
    MixtureOfExperts,
    SinkhornRouter,
    TopKRouter,
)
from sparse_keras.layers.routers.sinkhorn import even_offsets
from tests.support import reference
from tests.support.gradients import layer_gradients, to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def skewed(tokens, dim=16, seed=0):
    """Inputs with a mean, by which all prefer the same experts."""
    return draw(tokens, dim, seed=seed) + 0.7


def with_kernel(router, seed=1, scale=1.0):
    router.build((None, 16))
    router.kernel.assign(scale * draw(16, router.num_experts, seed=seed) / 4)
    return router


def violation(routing, num_experts):
    """How far the busiest expert is above its fair share, relative to that."""
    load = np.bincount(to_numpy(routing["expert_index"]).astype(int).ravel(), minlength=num_experts)
    return load.max() / load.mean() - 1


def experts_of(routing):
    return to_numpy(routing["expert_index"]).astype(int)


@pytest.mark.parametrize(
    "experts, k, most", [(8, 1, 0.15), (8, 2, 0.25), (32, 1, 0.4), (32, 4, 0.4)]
)
def test_the_load_is_even_in_training(experts, k, most):
    x = skewed(1024)
    router = with_kernel(SinkhornRouter(k=k, num_experts=experts))
    plain = with_kernel(TopKRouter(k=k, num_experts=experts, select_on="logits"))
    before = violation(plain(x), experts)
    found = violation(router(x, training=True), experts)
    assert found < most and found < before / 4
    # Elsewhere each token has its best experts.
    np.testing.assert_array_equal(experts_of(router(x)), experts_of(plain(x)))


def test_a_lower_temperature_is_more_even():
    x = skewed(1024)
    found = [
        violation(
            with_kernel(SinkhornRouter(1, temperature, 100, num_experts=32))(x, training=True), 32
        )
        for temperature in (3.0, 1.0, 0.3, 0.1)
    ]
    assert found == sorted(found, reverse=True) and found[0] > 4 * found[-1]


def test_offsets_by_hand():
    """Two kinds of tokens, one of each; expert 0 is preferred three to one, and nine to one.

    The plan has rows (a, b), (c, d) and columns that sum to 1, so that d = a. With the odds of
    expert 0 lowered by a factor f, a = 3f / (3f + 1) and 1 - a = 9f / (9f + 1): 27 f^2 = 1.
    """
    logits = ops.convert_to_tensor(np.log([[3.0, 1.0], [9.0, 1.0]]).astype("float32"))
    offset = to_numpy(even_offsets(logits, 100))
    assert offset[0] - offset[1] == pytest.approx(-0.5 * np.log(27), rel=1e-5)
    first = SinkhornRouter(1, temperature=1.0, num_experts=2, kernel_initializer="identity")
    found = experts_of(first(to_numpy(logits), training=True))
    np.testing.assert_array_equal(found, [[1], [0]])


def test_weights_are_those_of_the_plain_logits():
    x = skewed(64)
    one = with_kernel(SinkhornRouter(k=1, num_experts=8))
    routing = one(x, training=True)
    index, logits = experts_of(routing), to_numpy(routing["logits"])
    expected = reference.sigmoid(np.take_along_axis(logits, index, 1))
    np.testing.assert_allclose(to_numpy(routing["weight"]), expected, rtol=1e-5)
    softmax = np.take_along_axis(reference.softmax(logits), index, 1)
    assert (index[:, 0] != logits.argmax(1)).any()

    for normalize in (True, False):
        several = with_kernel(SinkhornRouter(k=3, normalize=normalize, num_experts=8))
        routing = several(x, training=True)
        softmax = np.take_along_axis(reference.softmax(logits), experts_of(routing), 1)
        expected = softmax / softmax.sum(1, keepdims=True) if normalize else softmax
        np.testing.assert_allclose(to_numpy(routing["weight"]), expected, rtol=1e-5)


@pytest.mark.parametrize("k", [1, 2])
def test_the_router_learns(k):
    layer = MixtureOfExperts(DenseExperts(4, 3), router=SinkhornRouter(k=k))
    x = draw(12, 6)
    layer.build(x.shape)
    _, found = layer_gradients(layer, x, lambda y: ops.sum(ops.square(y)), training=True)
    (kernel,) = [g for path, g in found.items() if path.endswith("router_kernel")]
    assert np.abs(kernel).max() > 1e-3


@pytest.mark.parametrize(
    "tokens, experts, k", [(1, 1, 1), (1, 8, 1), (1, 8, 3), (5, 1, 1), (3, 3, 3)]
)
def test_few_tokens_or_experts_equal_the_loop(tokens, experts, k):
    router = with_kernel(SinkhornRouter(k=k, num_experts=experts))
    x = skewed(tokens)
    found = router(x, training=True)
    logits = x @ reference.weights_of(router)["router_kernel"]
    index, weight, _ = reference.route(router, logits, training=True)
    np.testing.assert_array_equal(experts_of(found), index)
    np.testing.assert_allclose(to_numpy(found["weight"]), weight, rtol=1e-5)
    if tokens == 1:  # No expert is more in demand than another: it has its best.
        np.testing.assert_array_equal(index, experts_of(router(x)))


def test_no_tokens():
    router = with_kernel(SinkhornRouter(k=2, num_experts=4))
    routing = router(np.zeros((0, 16), "float32"), training=True)
    assert tuple(routing["weight"].shape) == (0, 2)


def test_padding_has_no_say():
    """Whatever it holds, and however much of it there is."""
    router = with_kernel(SinkhornRouter(k=2, num_experts=8))
    x = skewed(40)
    alone = router(x, training=True)
    mask = np.zeros(120, bool)
    mask[1::3] = True
    for filling in (5.0, np.nan):
        padded = np.full((120, 16), filling, "float32")
        padded[mask] = x
        found = router(padded, mask=ops.convert_to_tensor(mask), training=True)
        np.testing.assert_array_equal(experts_of(found)[mask], experts_of(alone))
        np.testing.assert_allclose(
            to_numpy(found["weight"])[mask], to_numpy(alone["weight"]), rtol=1e-5
        )
        np.testing.assert_array_equal(to_numpy(found["is_open"])[~mask], 0)
    found = router(padded, mask=ops.convert_to_tensor(np.zeros(120, bool)), training=True)
    np.testing.assert_array_equal(to_numpy(found["weight"]), 0.0)


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_large_logits_do_not_overflow(scale):
    """They differ by more than the range of float32 has powers for."""
    router = with_kernel(SinkhornRouter(k=1, iterations=100, num_experts=8), scale=scale)
    x = skewed(64)
    dx, found = layer_gradients(
        router, x, lambda routing: ops.sum(ops.square(routing["weight"])), training=True
    )
    assert np.isfinite(dx).all() and np.isfinite(list(found.values())[0]).all()
    routing = router(x, training=True)
    assert np.isfinite(to_numpy(routing["weight"])).all()
    assert 0 <= experts_of(routing).min() and experts_of(routing).max() < 8


def test_a_batch_of_one_kind():
    """Tokens that are all equal cannot be told apart: all go to their best, as in prediction."""
    router = with_kernel(SinkhornRouter(k=2, num_experts=8))
    x = np.tile(skewed(1), (50, 1))
    np.testing.assert_array_equal(experts_of(router(x, training=True)), experts_of(router(x)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "compile_arguments",
    [
        pytest.param({}, id="graph"),
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow, id="jit"),
    ],
)
def test_a_compiled_training_is_balanced(compile_arguments):
    """Also in its last batch, which is smaller; and nothing is balanced in prediction."""
    if keras.backend.backend() == "torch" and compile_arguments:
        pytest.skip("torch.compile is another compiler with other limits")
    layer = MixtureOfExperts(DenseExperts(8, 3), router=SinkhornRouter(k=1))
    model = keras.Sequential([keras.Input((16,)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse", **compile_arguments)
    model.fit(skewed(1100), draw(1100, 3), batch_size=256, epochs=2, verbose=0)
    found = layer.routing_statistics()
    assert found["load_violation"] < 0.15 and found["dead"] == 0
    x = skewed(64, seed=3)
    together = model.predict(x, verbose=0)
    alone = np.concatenate([model.predict_on_batch(x[i : i + 1]) for i in (0, 9, 63)])
    np.testing.assert_allclose(together[[0, 9, 63]], alone, rtol=1e-5, atol=1e-6)


def causal_model(router):
    inputs = keras.Input((5, 6))
    layer = MixtureOfExperts(DenseExperts(4, 3), router=router)
    model = keras.Model(inputs, keras.layers.Conv1D(2, 3, padding="causal")(layer(inputs)))
    model.compile("sgd", "mse")
    return model


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.parametrize(
    "router, match",
    [
        (SinkhornRouter, "all tokens of a sequence in training, .* route each token by itself"),
        (
            lambda: ExpertChoiceRouter(threshold_decay=0.9),
            "all tokens of a sequence in training, .* route each token by itself",
        ),
        (ExpertChoiceRouter, "all tokens of a sequence, .* Generation has no later tokens"),
    ],
    ids=["sinkhorn", "thresholds", "expert choice"],
)
def test_fit_warns_of_the_future_in_training(router, match):
    model, x = causal_model(router()), draw(4, 5, 6)
    with pytest.warns(RoutingWarning, match=match):
        model.fit(x, x[..., :2], verbose=0, callbacks=[ExpertLoad()])


def test_the_future_leaks_in_training_only():
    router = with_kernel(SinkhornRouter(k=1, num_experts=8))
    x = skewed(8)
    changed = {True: 0, False: 0}
    for seed in range(20):
        other = x.copy()
        other[-1] = 3 * draw(16, seed=seed)
        for training in changed:
            before, after = (experts_of(router(one, training=training)) for one in (x, other))
            changed[training] += np.sum(before[:-1] != after[:-1])
    assert changed[True] > 0 and changed[False] == 0


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"balance_loss": 0.1}, "nearly constant. Leave it out. Received: balance_loss=0.1"),
        ({"k": 5}, "Received: k=5, num_experts=4"),
        ({"temperature": 0.0}, "`temperature` must be a positive number"),
        ({"temperature": float("nan")}, "`temperature` must be a positive number"),
        ({"temperature": None}, "`temperature` must be a positive number"),
        ({"normalize": "softmax"}, "`normalize` must be True or False"),
        ({"iterations": 0}, "`iterations` must be a positive integer"),
        ({"k": 1, "normalize": False}, "`normalize` has no effect with k=1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        SinkhornRouter(num_experts=4, **arguments).build((None, 6))


def test_a_subclass_may_close_what_it_likes():
    class Closing(SinkhornRouter):
        def route(self, logits):
            routing = super().route(logits)
            return {**routing, "is_open": ops.zeros_like(routing["is_open"])}

    assert SinkhornRouter().always_open and not Closing().always_open
