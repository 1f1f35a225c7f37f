import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras import layers
from tests.compression.models import (
    assert_close,
    assert_equal,
    language_model,
    model_of,
    rows,
    to_numpy,
)


def of_expert(bank, e, x):
    """What one expert computes."""
    sizes = np.zeros(bank.num_experts, "int32")
    sizes[e] = len(x)
    return to_numpy(bank(x, sizes))


@pytest.mark.parametrize(
    "bank",
    [
        layers.GLUExperts(6, hidden_dim=4),
        layers.DenseExperts(6, units=5),
        layers.TiedExperts(6, units=3),
        layers.LayerExperts(keras.layers.Dense(3, activation="tanh"), 6),
    ],
    ids=lambda bank: type(bank).__name__,
)
def test_those_that_are_used_most_stay(bank):
    model, x = model_of(bank, shared_expert=keras.layers.Dense(bank.output_width(5))), rows()
    mixture = model.layers[0]
    index = to_numpy(mixture(x, return_routing=True)[1]["expert_index"]).astype("int64")
    counts = np.bincount(index.ravel(), minlength=6)
    kept = sorted(np.argsort(-counts, kind="stable")[:3])
    smaller, summary = sparse_keras.prune_experts(model, x, keep=3)
    new = smaller.layers[0]
    assert summary.mixtures[0].experts == [[e] for e in kept]
    assert summary.mixtures[0].assignments == pytest.approx(counts[kept].sum() / counts.sum())
    assert summary.params[1] == smaller.count_params() - sum(
        s.count_params() for s in new.statistics.values()
    )
    assert_equal(new.router.kernel, to_numpy(mixture.router.kernel)[:, kept])
    # A naive mixture of the experts that are left.
    logits = x @ to_numpy(new.router.kernel)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    outputs = np.stack([of_expert(mixture.experts, e, x) for e in kept], axis=1)
    expected = to_numpy(mixture.shared_expert(x))
    for row in range(len(x)):
        best = np.argsort(-scores[row])[:2]
        weight = scores[row, best] / scores[row, best].sum()
        expected[row] += weight @ outputs[row, best]
    assert_close(new(x), expected, rtol=1e-4, atol=1e-5)
    assert_equal(smaller.layers[1].kernel, model.layers[1].kernel)


def test_all_that_a_router_holds_is_cut():
    router = layers.TopKRouter(
        k=2, select_on="score_plus_bias", per_expert_scale=True, noise=True, use_bias=True
    )
    model = model_of(layers.DenseExperts(6, units=3), k=None, router=router)
    router.selection_bias.assign(np.arange(6.0))
    smaller, _ = sparse_keras.prune_experts(model, usage=usage_of(model))
    new = smaller.layers[0].router
    for name in ("bias", "selection_bias", "expert_scale"):
        assert_equal(getattr(new, name), to_numpy(getattr(router, name))[3:])
    assert_equal(new.noise_kernel, to_numpy(router.noise_kernel)[:, 3:])


def usage_of(model):
    return {model.layers[0].path: [0, 1, 2, 3, 4, 5]}


def test_use_from_a_recording_and_from_data_is_the_same(tmp_path):
    model = language_model()
    ids = np.random.default_rng(0).integers(0, 20, (5, 7))
    with sparse_keras.routing.record(model) as recording:
        model.predict(ids, verbose=0)
    smaller, summary = sparse_keras.prune_experts(model, usage=recording)
    batches = [(ids[:3], None), (ids[3:], None)]
    again, by_data = sparse_keras.prune_experts(model, batches)
    assert summary == by_data
    assert [change.after for change in summary.mixtures] == [3, 3]
    assert_equal(smaller(ids), again(ids))
    smaller.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded(ids), smaller(ids), atol=1e-6)
    assert "experts of causal_lm/block_0/mixture" in repr(summary)


def test_k_is_lowered_only_if_asked():
    model, x = model_of(layers.DenseExperts(6, units=3), k=3), rows()
    with pytest.raises(ValueError, match="lower k: k=2"):
        sparse_keras.prune_experts(model, x, keep=2)
    smaller, _ = sparse_keras.prune_experts(model, x, keep=2, k=2)
    assert smaller.layers[0].k == smaller.layers[0].router.k == 2


def test_errors():
    model, x = model_of(layers.DenseExperts(6, units=3)), rows()
    for arguments, message in (
        ({"keep": 7}, "has 6 experts"),
        ({"keep": 1.5}, "keep"),
        ({"keep": 2, "k": 3}, r"k must be from 1 to 2\. Received: k=3"),
        ({"keep": 2, "k": 0}, "`k` must be a positive integer"),
        ({"data": None}, "either `data` or `usage`"),
        ({"data": None, "usage": {"a": [1]}}, "counts for each mixture"),
        ({"data": None, "usage": {model.layers[0].path: [1]}}, "counts of shape"),
        ({"data": None, "usage": 3}, "must be a routing.Recording"),
        ({"data": x[:0]}, "no token"),
    ):
        with pytest.raises(ValueError, match=message):
            sparse_keras.prune_experts(model, **{"data": x} | arguments)
    with pytest.raises(ValueError, match="no mixture"):
        sparse_keras.prune_experts(keras.Sequential([keras.layers.Dense(2)]), x)
    for router in ({"type": "hierarchical", "num_groups": 2}, {"type": "dselect_k", "k": 2}):
        other = model_of(layers.DenseExperts(6, units=3), k=None, router=router)
        with pytest.raises(ValueError, match="cannot serve fewer"):
            sparse_keras.prune_experts(other, x)


def test_data_in_batches_and_with_targets():
    model, x = model_of(layers.DenseExperts(6, units=5)), rows()
    whole, _ = sparse_keras.prune_experts(model, x, keep=3)
    batches, _ = sparse_keras.prune_experts(model, [x[:5], x[5:]], keep=3)
    pairs, _ = sparse_keras.prune_experts(model, [(x[:5], None), (x[5:], None)], keep=3)
    for other in (batches, pairs):
        assert_equal(to_numpy(other(x)), to_numpy(whole(x)))
    with pytest.raises(ValueError, match="without targets"):
        sparse_keras.prune_experts(model, (x, x), keep=3)


def test_numbers_that_mean_nothing():
    model = model_of(layers.DenseExperts(6, units=5))
    with pytest.raises(ValueError, match="k must be from 1 to 2"):
        sparse_keras.prune_experts(model, rows(), keep=4, k=5)
    with pytest.raises(ValueError, match="at least 0"):
        usage = {model.layers[0].path: [1, 2, 3, np.nan, 1, 1]}
        sparse_keras.prune_experts(model, usage=usage, keep=3)
