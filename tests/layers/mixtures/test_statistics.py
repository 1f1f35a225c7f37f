"""Statistics of the routing: any losses of any router, and files that outlive the list of them."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import (
    DenseExperts,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    TopKRouter,
)

X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")


@keras.saving.register_keras_serializable(package="tests.statistics")
class PlugInRouter(TopKRouter):
    """A router of a plug-in, with a loss that this library does not know: the mean square logit."""

    def __init__(self, square_loss=0.0, **kwargs):
        super().__init__(**kwargs)
        self.square_loss = square_loss

    @property
    def loss_names(self):
        own = ("square_loss",) if self.square_loss else ()
        return (*own, *super().loss_names)  # First, so that all others move.

    def auxiliary_losses(self, routing, load, mask=None, **kwargs):
        losses = super().auxiliary_losses(routing, load, mask, **kwargs)
        if self.square_loss:
            losses["square_loss"] = (self.square_loss, ops.mean(ops.square(routing["logits"])))
        return losses

    def get_config(self):
        return {**super().get_config(), "square_loss": self.square_loss}


def mixture(**losses):
    return MixtureOfExperts(DenseExperts(4, 6), router=PlugInRouter(**losses), name="mixture")


def model_of(layer):
    model = keras.Sequential([keras.Input((6,)), layer], name="model")
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def test_a_plug_in_router_has_a_loss_of_its_own():
    layer = mixture(square_loss=0.5, balance_loss=0.1)
    model = model_of(layer)
    path = f"{layer.path}/square_loss"
    callback = ExpertLoad(per_layer=True)
    assert path in callback.to_minimize(model)
    # At a learning rate of 0 nothing improves, so that the training stops after the second epoch.
    stop = keras.callbacks.EarlyStopping(path, mode="min", patience=0)
    history = model.fit(X, X, epochs=9, batch_size=8, verbose=0, callbacks=[callback, stop]).history
    expected = np.mean(np.square(X @ ops.convert_to_numpy(layer.router.kernel)))
    np.testing.assert_allclose(history[path], [expected] * 2, rtol=1e-5)
    balance = history[f"{layer.path}/balance_loss"][0]
    assert history["aux_loss"][0] == pytest.approx(0.5 * expected + 0.1 * balance, rel=1e-5)
    assert history["task_loss"][0] == pytest.approx(
        history["loss"][0] - history["aux_loss"][0], rel=1e-5
    )


def saved(tmp_path, layer, to="model.keras"):
    """The file of a model that was trained for a step, and what its layer recorded."""
    model = model_of(layer)
    model.train_on_batch(X, X)
    model.save(tmp_path / to)
    return tmp_path / to, layer.routing_statistics()


def assert_same(summary, expected):
    assert set(summary) == set(expected)
    for name in expected:
        np.testing.assert_allclose(summary[name], expected[name], rtol=1e-6, err_msg=name)


@pytest.mark.usefixtures("eager_functions")
@pytest.mark.parametrize("to", ["model.keras", "model.weights.h5"])
def test_statistics_are_saved_and_loaded(to, tmp_path):
    layer = mixture(square_loss=0.5, z_loss=0.1)
    model = model_of(layer)
    model.train_on_batch(X, X)
    model.save(tmp_path / to) if to.endswith("keras") else model.save_weights(tmp_path / to)
    if to.endswith("keras"):
        again = keras.models.load_model(tmp_path / to)
    else:
        again = model_of(mixture(square_loss=0.5, z_loss=0.1))
        again.load_weights(tmp_path / to)
    expected = layer.routing_statistics()
    assert expected["assigned"] == 32 and expected["square_loss"] > 0 and expected["z_loss"] > 0
    assert_same(again.get_layer("mixture").routing_statistics(), expected)


@pytest.mark.usefixtures("eager_functions")
def test_a_file_written_before_a_further_loss_existed(tmp_path, monkeypatch):
    file, before = saved(tmp_path, mixture(balance_loss=0.1))
    # A later version, in which every such router has one more loss.
    monkeypatch.setattr(PlugInRouter, "__init__", later_version)
    model = keras.models.load_model(file)
    layer = model.get_layer("mixture")
    assert layer.router.loss_names == ("square_loss", "balance_loss")
    assert_same(layer.routing_statistics(), before | {"square_loss": 0.0})
    model.train_on_batch(X, X)
    assert layer.routing_statistics()["square_loss"] > 0


def later_version(self, square_loss=0.0, **kwargs):
    TopKRouter.__init__(self, **kwargs)
    self.square_loss = square_loss or 0.3


def test_a_file_with_a_loss_that_is_switched_off_since(tmp_path):
    layer = mixture(square_loss=0.5, balance_loss=0.1)
    model = model_of(layer)
    model.train_on_batch(X, X)
    layer.router.square_loss = 0.0
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").get_layer("mixture")
    expected = layer.routing_statistics()
    assert expected.pop("square_loss") > 0
    assert_same(again.routing_statistics(), expected)


def test_a_loss_that_is_switched_on_after_the_layer_was_built(tmp_path):
    layer = mixture(balance_loss=0.1)
    model = model_of(layer)
    layer.router.square_loss = 0.5
    callback = ExpertLoad(per_layer=True)
    with pytest.warns(UserWarning, match="square_loss of .*mixture.* no log of its own"):
        history = model.fit(X, X, verbose=0, callbacks=[callback]).history
    square = np.mean(np.square(X @ ops.convert_to_numpy(layer.router.kernel)))
    balance = history[f"{layer.path}/balance_loss"][0]
    assert history["aux_loss"][0] == pytest.approx(0.5 * square + 0.1 * balance, rel=1e-5)
    assert f"{layer.path}/square_loss" not in history
    assert f"{layer.path}/square_loss" not in callback.to_minimize(model)
    # The file has no sum of it, and the layer that is loaded has one.
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").get_layer("mixture")
    assert again.routing_statistics()["square_loss"] == 0.0


def test_a_file_of_another_number_of_experts(tmp_path):
    model = model_of(mixture())
    model.save_weights(tmp_path / "model.weights.h5")
    layer = MixtureOfExperts(DenseExperts(4, 6), router=PlugInRouter(), name="mixture")
    other = model_of(layer)
    layer.statistics["router"].num_experts = 5  # All other weights fit.
    with pytest.raises(ValueError, match="5 experts of .* Received: that of 4"):
        other.load_weights(tmp_path / "model.weights.h5")


def test_the_losses_of_several_gates():
    routers = {"a": PlugInRouter(square_loss=0.5), "b": TopKRouter(z_loss=0.1)}
    layer = MultiGateMixtureOfExperts(DenseExperts(4, 6), routers)
    layer(X, training=True)
    a, b = layer.routing_statistics().values()
    assert a["square_loss"] > 0 and "z_loss" not in a
    assert b["z_loss"] > 0 and "square_loss" not in b


@pytest.mark.parametrize(
    "names, message",
    [
        (("dropped",), "cannot be called 'dropped'.*'dropped_loss'"),
        (("tokens",), "cannot be called 'tokens'"),
        (("a/b",), "without a slash.*'a/b'"),
        ((5,), "must be a string.*5"),
        (("a_loss", "a_loss"), "must differ.*'a_loss'"),
    ],
)
def test_names_of_losses_that_cannot_be_recorded(names, message, monkeypatch):
    monkeypatch.setattr(PlugInRouter, "loss_names", names)
    with pytest.raises(ValueError, match=message):
        mixture()(X)


def test_losses_without_a_name(monkeypatch):
    monkeypatch.setattr(PlugInRouter, "loss_names", ())
    with pytest.raises(ValueError, match="must name each of its losses.*'square_loss'"):
        mixture(square_loss=0.5)(X, training=True)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="no mixture takes none on JAX")
@pytest.mark.parametrize("router", ["top_k", "relu", "threshold"])
def test_batches_without_tokens_change_no_statistic_and_no_state(router):
    layers = [MixtureOfExperts(DenseExperts(4, 3), router=router) for _ in range(2)]
    for layer in layers:
        layer.build(X.shape)
    layer.set_weights(layers[0].get_weights())
    for each in layers:
        each(X, training=True)
    layer(X[:0], training=True)
    layer(X, mask=np.zeros(len(X), bool), training=True)
    expected, found = (layer.routing_statistics() for layer in layers)
    for name in ("load", "assigned", "kept", "experts_per_token", "entropy", "dropped"):
        np.testing.assert_allclose(found[name], expected[name], err_msg=name)
    for a, b in zip(*(layer.router.get_weights() for layer in layers), strict=True):
        np.testing.assert_array_equal(a, b)
