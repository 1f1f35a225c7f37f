"""TransformerBlock against NumPy, and with mixtures: masks, losses, statistics, generation."""

import warnings

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras._internal import keras_private
from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import (
    DenseExperts,
    ExpertChoiceRouter,
    FeedForward,
    GatedSharedExpert,
    GLUExperts,
    GroupedQueryAttention,
    HashRouter,
    MixtureOfExperts,
    MLPExperts,
    RMSNormalization,
    RotaryEmbedding,
    SoftMixtureOfExperts,
    TopKRouter,
    TransformerBlock,
)
from sparse_keras.layers.mixtures.routing_warnings import RoutingWarning
from sparse_keras.models.cost import active_params, flops_per_example, total_params
from tests.layers.transformer import block_reference
from tests.layers.transformer.attention_cases import (
    BATCH,
    DOCUMENTS,
    LENGTH,
    PADDED_LEFT,
    PADDED_RIGHT,
    WIDTH,
    check_gradients,
    draw,
    generate,
    weighted_sum,
)
from tests.layers.transformer.attention_reference import (
    grouped_query_attention,
    randomize,
    weights_of,
)
from tests.support.gradients import layer_gradients, to_numpy

HEADS = {"num_heads": 4, "num_kv_heads": 2, "head_dim": 4}


def attention(**options):
    return GroupedQueryAttention(**HEADS | options, rotary=RotaryEmbedding())


def sparse(router=None, **options):
    router = TopKRouter(k=2, balance_loss=0.1) if router is None else router
    return MixtureOfExperts(GLUExperts(4, 5), router=router, **options)


def make(feed_forward, attention=None, **options):
    """A block with random weights."""
    layer = TransformerBlock(attention or globals()["attention"](), feed_forward, **options)
    layer.build((None, None, WIDTH))
    randomize(layer)
    return layer


def expected_of(x, weights, feed_forward=None, mask=None, segment_ids=None, **options):
    """The reference, of blocks whose attention has the options above."""
    if mask is not None:
        x = np.where(mask[..., None], x, 0.0)

    def attend(x):
        return grouped_query_attention(
            x,
            block_reference.part(weights, "grouped_query_attention"),
            **HEADS,
            rotary={},
            mask=mask,
            segment_ids=segment_ids,
        )

    def dense(x):
        return block_reference.feed_forward(x, block_reference.part(weights, "feed_forward"))

    return block_reference.block(x, weights, attend, feed_forward or dense, **options)


def dense_block(options, **kwargs):
    attend = GroupedQueryAttention(
        **HEADS, rotary=RotaryEmbedding(), name="grouped_query_attention", **kwargs
    )
    feed_forward = FeedForward(5, use_bias=True, name="feed_forward", **kwargs)
    return make(feed_forward, attend, **options, **kwargs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "layer", "norm_epsilon": 0.1},
        {"norm_placement": "post", "norm_epsilon": 0.1},
        {"norm": "layer", "norm_placement": "post", "residual_multiplier": 0.4},
        {"residual_multiplier": 0.3},
    ],
    ids=str,
)
@pytest.mark.parametrize("arguments", [{}, {"mask": PADDED_LEFT, "segment_ids": DOCUMENTS}])
def test_dense_against_the_reference(options, arguments):
    layer, x = dense_block(options), draw(BATCH, LENGTH, WIDTH)
    expected = expected_of(x, weights_of(layer), **options, **arguments)
    np.testing.assert_allclose(to_numpy(layer(x, **arguments)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"residual_multiplier": 0.4}, {"norm": "layer", "norm_placement": "post"}]
)
def test_gradients(options):
    layer = dense_block(options, dtype="float64")
    check_gradients(
        layer,
        lambda x, weights: expected_of(x, weights, mask=PADDED_LEFT, **options),
        weights_of(layer),
        mask=PADDED_LEFT,
    )


MIXTURES = {
    "top k": sparse,
    "a shared expert": lambda: sparse(shared_expert=GatedSharedExpert(FeedForward(3))),
    "a capacity": lambda: sparse(TopKRouter(k=1), eval_capacity_factor=1.0),
    "deepseek_v3": lambda: MixtureOfExperts(MLPExperts(16, 3), router="deepseek_v3"),
    "a template": lambda: MixtureOfExperts(keras.layers.Dense(WIDTH), num_experts=3),
    "expert choice": lambda: sparse(ExpertChoiceRouter(2.0)),
    "soft": lambda: SoftMixtureOfExperts(DenseExperts(3, WIDTH)),
}


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_mixtures(mixture):
    """Any router and bank: the block is its attention, and then this mixture with this mask."""
    attend = GroupedQueryAttention(
        **HEADS, rotary=RotaryEmbedding(), name="grouped_query_attention"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RoutingWarning)  # Some look at later tokens.
        layer, x = make(mixture(), attend), draw(BATCH, LENGTH, WIDTH)

    def feed_forward(x):
        return to_numpy(layer.feed_forward(x.astype("float32"), mask=PADDED_RIGHT))

    expected = expected_of(x, weights_of(layer), feed_forward, mask=PADDED_RIGHT)
    found = to_numpy(layer(x, mask=PADDED_RIGHT))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_token_ids():
    """A router that needs them gets them, and other layers do not."""
    x, ids = draw(BATCH, LENGTH, WIDTH), np.arange(BATCH * LENGTH).reshape(BATCH, LENGTH)
    hashed = make(MixtureOfExperts(MLPExperts(4, 3), router=HashRouter(20)))
    found, other = (to_numpy(hashed(x, token_ids=given)) for given in (ids, ids + 1))
    assert not np.array_equal(found, other)
    dense = make(FeedForward(3))
    np.testing.assert_array_equal(to_numpy(dense(x, token_ids=ids)), to_numpy(dense(x)))


def test_padding_is_not_routed():
    """A padded batch and its rows without padding: the same outputs, losses and gradients."""
    layer, x = make(sparse()), draw(1, LENGTH, WIDTH)
    mask = PADDED_RIGHT[:1]
    x[~mask] = np.nan
    upstream = draw(1, 5, WIDTH, seed=1)
    results = []

    def loss(y):
        return weighted_sum(y[:, :5], upstream)

    for inputs, given in ((x, {"mask": mask}), (x[:, :5], {})):
        dx, found = layer_gradients(layer, inputs, loss, training=True, **given)
        outputs = to_numpy(layer(inputs, **given))
        assert np.isfinite(outputs).all()
        results += [[outputs[:, :5], dx[:, :5], *found.values()]]
        layer.feed_forward.reset_statistics()
        layer(inputs, training=True, **given)
        assert layer.feed_forward.routing_statistics()["assigned"] == 2 * 5
        results[-1] += [to_numpy(layer.losses[0])]
    for padded, alone in zip(*results, strict=True):
        np.testing.assert_allclose(padded, alone, rtol=1e-4, atol=1e-5)


def language_model(blocks=2, vocabulary=11):
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(vocabulary, WIDTH, mask_zero=True)(tokens)
    rotary = RotaryEmbedding()  # One of all blocks: it has no weights.
    for number in range(blocks):
        attend = GroupedQueryAttention(**HEADS, rotary=rotary)
        feed_forward = FeedForward(5) if number == 0 else sparse()
        x = TransformerBlock(attend, feed_forward, name=f"block_{number}")(x)
    x = RMSNormalization()(x)
    return keras.Model(tokens, keras.layers.Dense(vocabulary)(x))


def sentences():
    tokens = np.random.default_rng(0).integers(1, 11, size=(8, LENGTH))
    tokens[::2, 4:] = 0
    return tokens


def test_fit_logs_the_load_and_the_losses():
    model, tokens = language_model(), sentences()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=True)
    logs = model.fit(
        *(tokens, tokens), epochs=2, verbose=0, callbacks=[ExpertLoad(per_layer=True)]
    ).history
    assert np.all(np.array(logs["aux_loss"]) > 0.1 * 0.9)
    difference = np.array(logs["loss"]) - logs["task_loss"]
    np.testing.assert_allclose(difference, logs["aux_loss"], rtol=1e-3)
    (layer,) = sparse_keras.layers.mixtures.gated_layer.gated_layers(model)
    assert layer.routing_statistics()["assigned"] == 2 * (tokens != 0).sum()


def test_inspect_by_token():
    model, tokens = language_model(), sentences()
    (gate,) = sparse_keras.inspect(model, tokens, labels=tokens).gates
    assert gate.tokens == (tokens != 0).sum()
    assert "0" not in gate.labels


def test_saving(tmp_path):
    model, tokens = language_model(), sentences()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(tokens)), to_numpy(model(tokens)))


def test_several_inputs(tmp_path):
    """Positions and documents as inputs of a model; the mask of the tokens reaches its end."""
    inputs = [
        keras.Input((None,), dtype="int32", name=n) for n in ("ids", "positions", "documents")
    ]
    embedded = keras.layers.Embedding(11, WIDTH, mask_zero=True)(inputs[0])
    layer = TransformerBlock(attention(), sparse())
    outputs = RMSNormalization()(layer(embedded, positions=inputs[1], segment_ids=inputs[2]))
    model = keras.Model(inputs, outputs)
    ids = sentences()[:BATCH]
    x = [ids, np.tile(np.arange(LENGTH), (BATCH, 1)), DOCUMENTS]
    found = model(x)
    np.testing.assert_array_equal(keras_private.mask_of(found), ids != 0)
    other = to_numpy(model([ids, x[1], np.zeros_like(DOCUMENTS)]))
    assert np.abs(to_numpy(found) - other)[ids != 0].max() > 1e-3
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(found))


def test_costs():
    model = language_model()
    block = model.get_layer("block_1")
    mixture = block.feed_forward
    # Two of four experts are used: GLUs of three matrices of 6 x 5.
    assert total_params(model) - active_params(model) == 2 * 3 * 6 * 5
    attention_flops = block.attention.flops_per_example((None, 4, 6))
    assert block.flops_per_example((None, 4, 6)) == (
        attention_flops + 4 * mixture.flops_per_token(6)
    )
    inputs = keras.Input((4, 6))
    assert flops_per_example(keras.Model(inputs, block(inputs))) == block.flops_per_example(
        (None, 4, 6)
    )
    assert block.flops_per_example((None, None, 6)) is None


@pytest.mark.parametrize("options", [{}, {"norm": "layer", "norm_placement": "post"}], ids=str)
def test_generation(options):
    layer, x = make(sparse(), **options), draw(BATCH, LENGTH, WIDTH)
    x[~PADDED_LEFT] = np.nan
    positions = np.maximum(np.cumsum(PADDED_LEFT, axis=1) - 1, 0)
    found = generate(layer, x, (4, 1, 1, 1), positions, PADDED_LEFT)
    for row, mask in enumerate(PADDED_LEFT):
        alone = to_numpy(layer(x[row : row + 1, mask]))
        np.testing.assert_allclose(found[row, mask], alone[0], rtol=1e-4, atol=1e-5)


def test_dropout():
    """It is drawn in training only, of both outputs, and not twice the same."""
    x = draw(BATCH, LENGTH, WIDTH)
    layer = make(FeedForward(5), dropout=0.5, seed=1)
    first, second = (to_numpy(layer(x, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(layer(x, training=False)))
    all_dropped = make(FeedForward(5), dropout=1.0)
    np.testing.assert_array_equal(to_numpy(all_dropped(x, training=True)), x)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "mixed_float16"])
def test_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    layer, x = make(sparse()), draw(BATCH, LENGTH, WIDTH)
    outputs = layer(x, mask=PADDED_LEFT, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    assert keras.backend.standardize_dtype(layer.losses[0].dtype) == "float32"
    assert np.isfinite(to_numpy(outputs)).all()
    assert np.isfinite(generate(layer, x, (6, 1))).all()


def test_a_router_that_looks_ahead():
    """In a causal block, it would show the model the future."""
    with pytest.warns(RoutingWarning, match="depends on all tokens.*attention.*is causal"):
        make(sparse(ExpertChoiceRouter(2.0)))
    make(sparse(ExpertChoiceRouter(2.0)), attention(causal=False))  # No warning.


def test_parts_have_one_owner():
    shared = attention()
    first, second = make(FeedForward(5), shared), make(FeedForward(5), shared)
    with pytest.raises(ValueError, match="is part of"):
        first(draw(BATCH, LENGTH, WIDTH))
    del second


@pytest.mark.parametrize(
    "change, words",
    [
        ({"attention": "gqa"}, "`attention` must be a GroupedQueryAttention"),
        ({"attention": keras.layers.MultiHeadAttention(1, 2)}, "`attention` must be"),
        ({"feed_forward": "mlp"}, "`feed_forward` must be a Keras layer"),
        ({"feed_forward": keras.layers.Dense(3)}, "must keep the shape.*dense"),
        ({"norm": "batch"}, "`norm` must be one of"),
        ({"norm_placement": "both"}, "`norm_placement` must be one of"),
        ({"residual_multiplier": 0}, "`residual_multiplier`"),
    ],
)
def test_errors(change, words):
    arguments = {"attention": attention(), "feed_forward": FeedForward(5)} | change
    with pytest.raises(ValueError, match=words):
        TransformerBlock(**arguments).build((None, None, WIDTH))
