"""TopKRouter: what the choice is made by."""

import keras
import numpy as np
import pytest

from sparse_keras.layers import DenseExperts, MixtureOfExperts, TopKRouter
from tests.support.gradients import layer_gradients, to_numpy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def biased(k=2, experts=4, **kwargs):
    router = TopKRouter(k=k, num_experts=experts, select_on="score_plus_bias", **kwargs)
    router.build((None, 4))
    router.kernel.assign(np.eye(4, experts))
    return router


def test_a_selection_bias_chooses_and_does_not_weigh():
    """Logits ln 1 to ln 4: scores .1 .2 .3 .4. A bias of .5 brings the first expert in."""
    router = biased()
    x = np.log([[1.0, 2.0, 3.0, 4.0]]).astype("float32")
    np.testing.assert_array_equal(to_numpy(router(x)["expert_index"]), [[3, 2]])
    router.selection_bias.assign([0.5, 0.0, 0.0, 0.0])
    routing = router(x)
    np.testing.assert_array_equal(to_numpy(routing["expert_index"]), [[0, 3]])
    np.testing.assert_allclose(to_numpy(routing["weight"]), [[0.2, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(to_numpy(routing["scores"]), [[0.1, 0.2, 0.3, 0.4]], rtol=1e-6)


def test_a_selection_bias_is_not_trained_but_saved(tmp_path):
    router = TopKRouter(k=2, select_on="score_plus_bias")
    layer = MixtureOfExperts(DenseExperts(4, 3), router=router, name="mixture")
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    bias = np.array([0.5, -0.5, 0.0, 0.0], "float32")
    router.selection_bias.assign(bias)
    assert [w.name for w in router.non_trainable_weights][0] == "router_selection_bias"
    x = draw(16, 4)
    model.fit(x, x[:, :3], verbose=0)
    np.testing.assert_array_equal(to_numpy(router.selection_bias), bias)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert to_numpy(loaded.get_layer("mixture").router.selection_bias)[0] == 0.5


@pytest.mark.parametrize("select_on", ["score", "score_plus_bias", "logits"])
def test_a_router_learns_at_k_1(select_on):
    layer = MixtureOfExperts(
        DenseExperts(4, 3), router=TopKRouter(k=1, select_on=select_on, balance_loss=0.0)
    )
    layer.build((8, 4))
    _, found = layer_gradients(
        layer, draw(8, 4), lambda y: keras.ops.sum(keras.ops.multiply(y, draw(8, 3, seed=1)))
    )
    (gradient,) = [g for path, g in found.items() if path.endswith("router_kernel")]
    assert np.abs(gradient).max() > 1e-3


def test_scores_chosen_by_a_bias_may_all_be_0():
    router = biased()
    router.selection_bias.assign([5.0, 5.0, 0.0, 0.0])
    x = np.array([[-300.0, -300.0, 0.0, 0.0]], "float32")
    np.testing.assert_array_equal(to_numpy(router(x)["weight"]), [[0.0, 0.0]])


def test_logits_tell_experts_apart_whose_scores_are_equal():
    x = np.array([[-300.0, -200.0, -250.0, 0.0]], "float32")
    router = TopKRouter(k=3, num_experts=4, select_on="logits")
    router.build((None, 4))
    router.kernel.assign(np.eye(4))
    np.testing.assert_array_equal(to_numpy(router(x)["expert_index"]), [[3, 1, 2]])


def test_an_unknown_selection_is_refused():
    with pytest.raises(ValueError, match=r"`select_on` must be one of .*Received: 'bias'"):
        TopKRouter(select_on="bias")
