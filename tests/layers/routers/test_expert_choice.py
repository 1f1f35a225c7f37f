"""ExpertChoiceRouter beyond the contract and the loop: groups, thresholds, ties, causal models."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.callbacks import ExpertLoad, RoutingWarning
from sparse_keras.layers import DenseExperts, ExpertChoiceRouter, MixtureOfExperts
from tests.support import reference
from tests.support.gradients import to_numpy

MASK = np.array([[True, True, False, False, True, True], [False] * 6, [True] * 6])


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def opened(routing):
    return np.array(ops.convert_to_numpy(routing["is_open"]))


def make(capacity_factor=2.0, num_experts=4, **kwargs):
    return MixtureOfExperts(
        DenseExperts(num_experts, 3), router=ExpertChoiceRouter(capacity_factor, **kwargs)
    )


@pytest.mark.parametrize("tokens, num_experts, factor", [(1, 1, 1), (1, 4, 2), (5, 7, 0.5)])
def test_few_tokens_equal_the_loop(tokens, num_experts, factor):
    router = ExpertChoiceRouter(factor, num_experts=num_experts)
    found = router(draw(tokens, 6))
    _, weight, is_open = reference.expert_choice(to_numpy(found["logits"]), None, factor)
    np.testing.assert_array_equal(opened(found), is_open)
    np.testing.assert_allclose(to_numpy(found["weight"]), weight, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("group_by", ["batch", "example"])
def test_no_more_are_open_than_it_says(group_by):
    """Else a compiler, which needs the number beforehand, would leave assignments out."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        experts, examples, positions = (int(rng.integers(1, high)) for high in (9, 5, 12))
        factor = float(rng.choice([1, 1.1, 1.25, experts, rng.uniform(0.05, experts)]))
        router = ExpertChoiceRouter(min(factor, experts), group_by, num_experts=experts)
        x = draw(examples, positions, 6)
        mask = None if rng.random() < 0.5 else rng.random((examples * positions,)) < 0.7
        found = router(x.reshape(-1, 6), mask=mask, **router.call_arguments(x))
        most = router.most_open(x.shape)
        assert opened(found).sum() <= most
        if mask is None:
            assert opened(found).sum() == min(most, examples * positions * experts)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="no mixture takes none on JAX")
@pytest.mark.parametrize("group_by", ["batch", "example"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_batch_of_no_examples(group_by, masked):
    layer = make(group_by=group_by, threshold_decay=0.9)
    layer(draw(2, 5, 6), training=True)
    thresholds = to_numpy(layer.router.thresholds)
    mask = np.ones((0, 5), bool) if masked else None
    assert tuple(layer(draw(0, 5, 6), mask=mask, training=True).shape) == (0, 5, 3)
    np.testing.assert_array_equal(to_numpy(layer.router.thresholds), thresholds)
    assert tuple(layer(draw(0, 5, 6), mask=mask).shape) == (0, 5, 3)


def test_every_expert_gets_the_same_number_and_a_token_any():
    layer = make(1.0, 8)
    _, routing = layer(draw(80, 6), return_routing=True)
    is_open = opened(routing)
    np.testing.assert_array_equal(is_open.sum(0), 10)
    assert is_open.sum(1).min() == 0 and is_open.sum(1).max() > 1


def test_among_equal_scores_earlier_tokens_are_picked():
    router = ExpertChoiceRouter(1.0, num_experts=2, kernel_initializer="zeros")
    mask = np.array([False, True, True, True, True, False])
    is_open = opened(router(draw(6, 3), mask=ops.convert_to_tensor(mask)))
    np.testing.assert_array_equal(is_open[:, 0], [False, True, True, False, False, False])
    np.testing.assert_array_equal(is_open[:, 1], is_open[:, 0])


def test_groups_of_examples_equal_each_example_alone():
    layer = make(group_by="example")
    x = draw(3, 6, 5)
    y, routing = layer(x, mask=MASK, return_routing=True)
    np.testing.assert_array_equal(
        opened(routing).reshape(3, 6, 4).sum(1), [[2] * 4, [0] * 4, [3] * 4]
    )
    for i in range(3):
        alone = layer(x[i : i + 1], mask=MASK[i : i + 1])
        np.testing.assert_allclose(to_numpy(y)[i], to_numpy(alone)[0], rtol=1e-5, atol=1e-6)
    # A row of a table is one token, which every expert would pick.
    with pytest.raises(ValueError, match="one token, which every expert would pick"):
        make(group_by="example").build((None, 6))


def test_a_batch_changes_what_is_predicted():
    """What the docstring warns of; thresholds are the way out."""
    layer = make()
    x = draw(16, 6)
    alone = np.concatenate([to_numpy(layer(x[i : i + 1])) for i in range(16)])
    assert np.abs(to_numpy(layer(x)) - alone).max() > 1e-2


def test_thresholds_by_hand():
    layer = make(1.0, 2, threshold_decay=0.75)
    router = layer.router
    router.set_num_experts(2)
    x, lowest = [draw(8, 6, seed=seed) for seed in range(3)], []
    layer.build(x[0].shape)
    for one in x:
        _, routing = layer(one, training=True, return_routing=True)
        scores = to_numpy(routing["scores"])
        lowest.append(np.where(opened(routing), scores, np.inf).min(0))
    # The first two are averaged evenly, then 1 - 2/3 exceeds 1 - 0.75.
    expected = np.mean(lowest, axis=0)
    np.testing.assert_allclose(to_numpy(router.thresholds), expected, rtol=1e-5)
    layer(np.zeros((2, 6), "float32"), mask=np.zeros(2, bool), training=True)  # Padding alone.
    np.testing.assert_allclose(to_numpy(router.thresholds), expected, rtol=1e-5)
    for seed in (3, 4):
        layer(draw(8, 6, seed=seed), training=True)
    assert float(to_numpy(router.threshold_steps)) == 5
    # Outside training, a token finds its experts by itself.
    new = draw(20, 6, seed=9)
    y, routing = layer(new, return_routing=True)
    scores, thresholds = to_numpy(routing["scores"]), to_numpy(router.thresholds)
    np.testing.assert_array_equal(opened(routing), scores >= thresholds)
    for i in range(20):
        np.testing.assert_allclose(
            to_numpy(layer(new[i : i + 1]))[0], to_numpy(y)[i], rtol=1e-5, atol=1e-6
        )


def test_thresholds_keep_the_load_that_was_trained(tmp_path):
    """On new data of the same kind, also from a file."""
    model = keras.Sequential([keras.Input((6,)), make(1.5, 6, threshold_decay=0.9)])
    model.compile("adam", "mse")
    x = draw(2048, 6)
    model.fit(x, x[:, :3], batch_size=64, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    _, routing = loaded.layers[0](draw(2048, 6, seed=1), return_routing=True)
    share = opened(routing).mean(0)
    assert share.mean() * 6 == pytest.approx(1.5, rel=0.1)
    np.testing.assert_allclose(share, 0.25, atol=0.06)


def test_cost_counts_the_average():
    layer = make(1.5, 4)
    layer.build((None, 6))
    # Router 2 * 6 * 4, one and a half experts of 2 * 6 * 3.
    assert layer.flops_per_token(6) == 48 + 54
    # Router 6 * 4; of four experts with 6 * 3 + 3 weights each, one and a half.
    assert layer.active_params() == 24 + 31


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"balance_loss": 0.1}, "always balanced"),
        ({"capacity_factor": 0}, "positive number"),
        ({"capacity_factor": 5.0}, "at most the number of experts"),
        ({"group_by": "sequence"}, r"one of \('batch', 'example'\)"),
        ({"threshold_decay": 1.0}, "None or a number in"),
    ],
)
def test_wrong_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        ExpertChoiceRouter(num_experts=4, **arguments).build((None, 6))


def attended(causal, tokens):
    x = keras.layers.Embedding(9, 6)(tokens)
    return keras.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=causal)


def test_it_warns_once_behind_causal_attention():
    tokens = keras.Input((5,), dtype="int32")
    layer = make()
    with pytest.warns(RoutingWarning, match="is causal: the model sees the future") as found:
        x = keras.layers.Dense(6)(layer(attended(True, tokens)))
        keras.layers.Dense(9)(layer(x))
    assert len(found) == 1


@pytest.mark.parametrize("router", ["expert_choice", "top_k"])
def test_it_does_not_warn_elsewhere(router):
    tokens = keras.Input((5,), dtype="int32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MixtureOfExperts(DenseExperts(4, 3), router=router)(attended(False, tokens))
        MixtureOfExperts(DenseExperts(4, 3), router="top_k")(attended(True, tokens))
        make()(keras.layers.Dense(6)(keras.Input((6,))))


@pytest.mark.usefixtures("eager_functions")
def test_fit_warns_of_what_comes_later():
    """A mixture before the causal layer leaks as well; the whole model shows it."""
    inputs = keras.Input((5, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs = keras.layers.Conv1D(2, 3, padding="causal")(make()(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    with pytest.warns(RoutingWarning, match="is causal: the model sees the future"):
        x = draw(4, 5, 6)
        model.fit(x, x[..., :2], verbose=0, callbacks=[ExpertLoad()])


def test_the_future_does_leak():
    """The reason for the warning: a change of the last token changes the first one's output."""
    layer = make(1.0, 4, group_by="example")
    x = draw(1, 8, 6)
    layer.build(x.shape)
    changed = []
    for seed in range(10):
        other = x.copy()
        other[0, -1] = 3 * draw(6, seed=seed)
        changed.append(np.abs(to_numpy(layer(other))[0, :-1] - to_numpy(layer(x))[0, :-1]).max())
    assert max(changed) > 1e-2
