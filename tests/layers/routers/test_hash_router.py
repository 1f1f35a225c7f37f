"""HashRouter beyond the contract: its table, its ids, and what is refused."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import (
    DenseExperts,
    DepthSharedMixtureOfExperts,
    HashRouter,
    MixtureOfExperts,
    TopKRouter,
)
from sparse_keras.models import flops_per_example
from tests.support import reference
from tests.support.gradients import to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(*args, **kwargs):
    router = HashRouter(*args, **kwargs)
    router.build((None, 3))
    return router


@pytest.mark.parametrize("k, experts", [(1, 4), (3, 4), (2, 2), (1, 1)])
def test_ids_are_dealt_out_evenly(k, experts):
    table = to_numpy(built(101, k=k, num_experts=experts).table).astype(int)
    assert all(len(set(row)) == k for row in table)
    first = np.bincount(table[:, 0], minlength=experts)
    assert first.max() - first.min() <= 1
    load = np.bincount(table.ravel(), minlength=experts)
    assert load.max() < 1.5 * load.mean()


def test_the_table_is_the_same_everywhere():
    """Written down, so that another version of NumPy, or another process, cannot change it."""
    table = to_numpy(built(8, k=2, num_experts=4, seed=3).table).astype(int)
    assert table.tolist() == TABLE
    assert np.any(to_numpy(built(8, k=2, num_experts=4, seed=4).table) != table)


TABLE = [[2, 3], [3, 0], [2, 0], [1, 2], [0, 1], [1, 2], [3, 0], [0, 3]]


def test_it_equals_the_loop():
    layer = MixtureOfExperts(DenseExperts(4, 5, bias_initializer="normal"), router=HashRouter(9, 2))
    x = draw(2, 6, 3)
    ids = np.array([[3, 1, 8, 3, 0, 0], [9, 10, -1, 5, 5, 2]])  # 9 is 0, 10 is 1, -1 is 8.
    mask = np.arange(6) < np.array([[4], [6]])
    y, routing = layer(x, mask=mask, token_ids=ids, return_routing=True)
    table = to_numpy(layer.router.table).astype(int)
    index = table[np.array([3, 1, 8, 3, 0, 0, 0, 1, 8, 5, 5, 2])]
    np.testing.assert_array_equal(to_numpy(routing["expert_index"]), index)
    is_open = np.repeat(mask.reshape(-1, 1), 2, axis=1)
    weight = np.where(is_open, 0.5, 0.0)
    np.testing.assert_array_equal(to_numpy(routing["weight"]), weight)
    expected = reference.mixture(layer.experts, x.reshape(-1, 3), index, weight, is_open)
    np.testing.assert_allclose(to_numpy(y).reshape(-1, 5), expected, rtol=1e-4, atol=1e-5)
    found = to_numpy(layer.gate_weights(x, mask=mask, token_ids=ids)["router"])
    np.testing.assert_allclose(found.sum(1), weight.sum(1))


def test_adapt_balances_what_occurs():
    """A few ids are most of the text. By hand for the first: ids 7, 3 and 5 occur most often."""
    router = built(20, num_experts=3)
    ids = np.array([7] * 9 + [3] * 5 + [5] * 4 + [1] * 2)
    router.adapt(ids)
    table = to_numpy(router.table).astype(int)[:, 0]
    # 7 to expert 0; 3 to 1; 5 to 2, which has the least still, and so takes 1.
    assert [table[token] for token in (7, 3, 5, 1)] == [0, 1, 2, 2]
    # Ids that do not occur fill up: 20 ids for three experts.
    assert sorted(np.bincount(table)) == [6, 7, 7]


@pytest.mark.usefixtures("eager_functions")
def test_a_model_with_ids(tmp_path):
    """Padding comes from the embedding, though there are two inputs; the adapted table is saved."""
    tokens = keras.Input((None,), dtype="int32")
    router = HashRouter(50)
    layer = MixtureOfExperts(DenseExperts(4, 3), router=router, name="mixture")
    x = keras.layers.Embedding(50, 6, mask_zero=True)(tokens)
    x = layer(x, token_ids=tokens)
    model = keras.Model(tokens, keras.layers.GlobalAveragePooling1D()(x))
    model.compile("sgd", "mse")
    sentences = np.array([[4, 5, 0, 0], [9, 9, 3, 1]])
    router.adapt(sentences[sentences > 0])
    model.fit(sentences, draw(2, 3), verbose=0)
    assert layer.routing_statistics()["assigned"] == 6
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(sentences, verbose=0), model.predict(sentences, verbose=0)
    )
    np.testing.assert_array_equal(
        to_numpy(loaded.get_layer("mixture").router.table), to_numpy(router.table)
    )


def test_cost_of_a_model_with_ids():
    tokens = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(50, 6)(tokens)
    x = MixtureOfExperts(DenseExperts(4, 3), router=HashRouter(50))(x, token_ids=tokens)
    assert flops_per_example(keras.Model(tokens, x)) == 5 * 2 * 6 * 3


def test_what_is_refused():
    layer = MixtureOfExperts(DenseExperts(4, 3), router=HashRouter(9))
    with pytest.raises(ValueError, match=r"layer\(x, token_ids=ids\)"):
        layer(draw(2, 5, 6))
    with pytest.raises(ValueError, match="leading axes of the inputs"):
        layer(draw(2, 5, 6), token_ids=np.zeros(10, "int32"))
    other = MixtureOfExperts(DenseExperts(4, 3), router=TopKRouter(1))
    with pytest.raises(ValueError, match="A TopKRouter does not use `token_ids`"):
        other(draw(5, 6), token_ids=np.zeros(5, "int32"))
    with pytest.raises(ValueError, match="Received: balance_loss=0.1"):
        HashRouter(9, balance_loss=0.1)
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        HashRouter(9, seed=None)
    with pytest.raises(ValueError, match="at most the number of experts"):
        HashRouter(9, k=3, num_experts=2).build((None, 6))
    with pytest.raises(ValueError, match="once it is built"):
        HashRouter(9).adapt([1, 2])


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="has no int64 by default")
def test_ids_beyond_int32_are_taken_modulo_the_vocabulary_too():
    router = HashRouter(1000, num_experts=8)
    router.build((None, 4))
    ids = np.array([2**31 + 5, 2**32 + 7, 2**40 + 123])
    found = router(draw(3, 4), token_ids=keras.ops.convert_to_tensor(ids, "int64"))
    np.testing.assert_array_equal(found["expert_index"], to_numpy(router.table)[ids % 1000])


def test_every_depth_of_one_bank_gets_the_ids():
    routers = [HashRouter(10, seed=seed) for seed in (0, 1)]
    layer = DepthSharedMixtureOfExperts(DenseExperts(4, 6), num_depths=2, router=routers)
    x, ids = draw(5, 6), np.arange(5)
    for depth, router in enumerate(routers):
        _, routing = layer(x, depth=depth, token_ids=ids, return_routing=True)
        np.testing.assert_array_equal(routing["expert_index"], to_numpy(router.table)[ids])
