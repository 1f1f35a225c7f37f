"""The builder: which blocks are sparse, that each has layers of its own, and its errors."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import FeedForward, GLUExperts, MixtureOfExperts, TopKRouter
from tests.models.text.language_models import SPARSE, make, sentences
from tests.support.gradients import to_numpy


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"every": 1, "hidden_dim": None}, "SSSSSS"),
        ({"every": 2}, "DSDSDS"),
        ({"dense_layers": 1}, "DSSSSS"),
        ({"dense_layers": 3, "every": 2}, "DDDSDS"),
        ({"dense_layers": [0, 3]}, "DSSDSS"),
        ({"dense_layers": [3], "every": 2}, "DSDDDS"),
        ({"experts": None}, "DDDDDD"),
    ],
)
def test_which_blocks_are_sparse(options, expected):
    options = SPARSE | {"hidden_dim": 4, "depth": 6} | options
    kinds = [type(block.feed_forward) for block in make("dense", False, **options).blocks]
    assert kinds == [{"S": MixtureOfExperts, "D": FeedForward}[kind] for kind in expected]


def test_banks_and_routers_as_layers():
    """Each block gets a bank and a router of its own, with other values from the same seed."""
    initializer = keras.initializers.GlorotUniform(seed=1)
    experts = GLUExperts(4, 5, kernel_initializer=initializer)
    router = TopKRouter(k=1, kernel_initializer=initializer)
    model = make("mixture", False, experts=experts, router=router, kernel_initializer=initializer)
    first, second = (block.feed_forward for block in model.blocks)
    assert first.experts is not second.experts is not experts
    assert first.router.k == second.router.k == 1
    weights = [[to_numpy(w) for w in block.trainable_weights] for block in model.blocks]
    for one, other in zip(*weights, strict=True):
        if one.ndim > 1:
            assert not np.allclose(one, other)
    model(sentences())


def test_a_window_for_each_block():
    def windows(window):
        model = make("dense", False, depth=3, attention={"sliding_window": window})
        return [block.attention.sliding_window for block in model.blocks]

    assert windows(5) == [5, 5, 5]
    assert windows([5, None]) == [5, None, 5]
    assert windows([None, 4, 6]) == [None, 4, 6]
    for wrong in ([], [1, 2, 3, 4]):
        with pytest.raises(ValueError, match="list of up to 3"):
            windows(wrong)
    with pytest.raises(ValueError, match="from 0 to 1"):
        make("dense", False, **SPARSE | {"dense_layers": [2]})


def test_gelu_of_tanh(tmp_path):
    """GPT-2's activation, in dense blocks and experts, also after a model was loaded."""
    banks = {"experts": SPARSE["experts"] | {"activation": "gelu_tanh"}}
    model = make("dense", activation="gelu_tanh", every=2, **SPARSE | banks)
    x = np.linspace(-3, 3, 7)
    expected = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    for layer in (model.blocks[0].feed_forward, model.blocks[1].feed_forward.experts):
        np.testing.assert_allclose(
            to_numpy(layer.activation(x.astype("float32"))), expected, 1e-5, 1e-6
        )
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(sentences())), to_numpy(model(sentences())))


def test_options_reach_the_layers():
    model = make(
        "dense",
        attention={"qk_norm": "all", "sinks": True},
        rotary={"theta": 500.0},
        norm="layer",
        norm_placement="post",
        norm_epsilon=1e-3,
        dropout=0.1,
        gated=False,
        use_bias=True,
        activation="gelu",
    )
    assert model.final_norm is None
    block = model.blocks[1]
    assert (block.norm, block.norm_placement, block.norm_epsilon) == ("layer", "post", 1e-3)
    assert (block.attention.qk_norm, block.attention.sinks) == ("all", True)
    assert block.attention.qkv_bias and block.attention.output_bias
    assert block.attention.rotary.theta == 500.0
    assert block.dropout == model.dropout == 0.1
    assert not block.feed_forward.gated and block.feed_forward.use_bias
    assert np.isfinite(to_numpy(model(sentences()))).all()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"hidden_dim": None}, "width of dense blocks, of which there are 2"),
        (SPARSE, "of which there are 0"),
        (SPARSE | {"dense_layers": 2}, "No block would have the experts"),
        ({"shared_expert": {"hidden_dim": 3}}, "`shared_expert` is for blocks with experts"),
        (SPARSE | {"hidden_dim": None, "router": "topk"}, "a router"),
        ({"attention": {"type": "latent"}}, "are for grouped-query attention"),
        ({"attention": {"type": "sparse"}}, "an attention"),
        ({"depth": 0}, "`depth` must be a positive integer"),
    ],
)
def test_errors(change, words):
    with pytest.raises(ValueError, match=words):
        make("dense", **change)
