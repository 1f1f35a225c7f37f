"""BalancedRouter: the load is even, whatever the tokens, the mask, the sizes or the order."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import BalancedRouter, DenseExperts, MixtureOfExperts
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.quick import slow_but_for


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def load_of(routing, experts):
    index = ops.convert_to_numpy(routing["expert_index"])
    is_open = ops.convert_to_numpy(routing["is_open"])
    for row in index:
        assert len(set(row.tolist())) == len(row)  # No expert twice for one token.
    return np.bincount(index[is_open], minlength=experts), is_open


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("experts, k", [(1, 1), (4, 1), (4, 3), (7, 2), (5, 5), (64, 6)])
@pytest.mark.parametrize("tokens", [1, 3, 50])
def test_loads_differ_by_one_at_most(tokens, experts, k, shuffle):
    router = BalancedRouter(k=k, shuffle=shuffle, num_experts=experts)
    x = np.repeat(draw(1, 6), tokens, axis=0)  # Equal tokens, which others would send to one place.
    for mask in (None, np.random.default_rng(tokens).random(tokens) < 0.6, np.zeros(tokens, bool)):
        given = None if mask is None else ops.convert_to_tensor(mask)
        load, is_open = load_of(router(x, mask=given, training=True), experts)
        kept = np.ones(tokens, bool) if mask is None else mask
        np.testing.assert_array_equal(is_open, np.repeat(kept[:, None], k, axis=1))
        assert load.sum() == kept.sum() * k
        assert load.max() - load.min() <= 1


def test_what_a_token_holds_decides_nothing_but_its_weights():
    router = BalancedRouter(k=2, num_experts=5)
    first, second = router(draw(9, 6)), router(draw(9, 6, seed=1))
    np.testing.assert_array_equal(to_numpy(first["expert_index"]), to_numpy(second["expert_index"]))
    assert np.abs(to_numpy(first["weight"]) - to_numpy(second["weight"])).max() > 0.01
    equal = BalancedRouter(k=4, equal_weights=True, num_experts=5)(draw(9, 6))
    np.testing.assert_array_equal(to_numpy(equal["weight"]), np.full((9, 4), 0.25))


def test_a_random_order_is_new_in_each_step_and_reproducible():
    def orders(seed):
        router = BalancedRouter(k=2, shuffle=True, num_experts=8, seed=seed)
        return [to_numpy(router(draw(30, 6), training=True)["expert_index"]) for _ in range(3)]

    one, two, three = orders(4)
    assert (one != two).any() and (two != three).any()
    for a, b in zip(orders(4), (one, two, three), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (orders(5)[0] != one).any()
    # Experts that share a token change, too, and so does who gets the one token too many.
    assert {tuple(sorted(pair)) for pair in one.tolist()} != {
        tuple(sorted(pair)) for pair in two.tolist()
    }


def test_outside_training_the_order_is_that_of_the_batch():
    router = BalancedRouter(k=2, shuffle=True, num_experts=6)
    found = to_numpy(router(draw(4, 6))["expert_index"])
    assert found.tolist() == [[0, 1], [2, 3], [4, 5], [0, 1]]


@pytest.mark.parametrize("k", [1, 2])
def test_the_router_learns(k):
    layer = MixtureOfExperts(DenseExperts(4, 3), router=BalancedRouter(k=k))
    x = draw(12, 6)
    layer.build(x.shape)
    _, found = layer_gradients(layer, x, lambda y: ops.sum(ops.square(y)))
    (kernel,) = [g for path, g in found.items() if path.endswith("router_kernel")]
    assert np.abs(kernel).max() > 1e-3


@pytest.mark.parametrize("compile_arguments", slow_but_for([{}], [{}, {"jit_compile": True}]))
def test_a_compiled_training_is_balanced(compile_arguments):
    if keras.backend.backend() == "torch" and compile_arguments:
        pytest.skip("torch.compile is another compiler with other limits")
    layer = MixtureOfExperts(DenseExperts(4, 3), router=BalancedRouter(k=1, shuffle=True))
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile("sgd", "mse", **compile_arguments)
    model.fit(draw(80, 6), draw(80, 3), batch_size=16, epochs=2, verbose=0)
    found = layer.routing_statistics()
    np.testing.assert_allclose(found["load"], 0.25)
    assert found["load_violation"] == found["dead"] == 0


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"balance_loss": 0.1}, "a balance loss is constant. Received: balance_loss=0.1"),
        ({"k": 5, "num_experts": 4}, "Received: k=5, num_experts=4"),
        ({"equal_weights": True, "jitter": 0.1}, "with equal weights has no weights.*jitter=0.1"),
        ({"equal_weights": True, "seed": 3}, "Received: seed=3"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        BalancedRouter(**arguments).build((None, 6))
    BalancedRouter(equal_weights=True, shuffle=True, seed=3)
