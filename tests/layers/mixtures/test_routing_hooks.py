"""Hooks see every routing, with its values, or say that they cannot."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import (
    DenseExperts,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
    TopKRouter,
)
from sparse_keras.layers.mixtures.routing_hooks import eagerly, hooked, values_of


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Seen(list):
    """A hook that keeps the values of all it is shown."""

    def __call__(self, layer, gate, routing, mask, training):
        values = {key: values_of(tensor, "The test") for key, tensor in routing.items()}
        self.append((layer, gate, values, values_of(mask, "The test"), bool(training)))


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """A model whose shapes Keras infers by calling it without values."""

    def __init__(self):
        super().__init__()
        self.first = MixtureOfExperts(DenseExperts(4, 6), k=2)
        self.second = MixtureOfExperts(DenseExperts(4, 3), k=1)

    def call(self, inputs, training=None):
        return self.second(self.first(inputs, training=training), training=training)


def small_model(**compile_arguments):
    model = keras.Sequential([keras.Input((6,)), MixtureOfExperts(DenseExperts(4, 3), k=2)])
    model.compile("sgd", "mse", **compile_arguments)
    return model


def test_a_hook_sees_what_the_layer_used():
    layer = MixtureOfExperts(DenseExperts(4, 3), k=2)
    x, mask = draw(2, 5, 6), np.arange(10).reshape(2, 5) < 7
    with hooked(Seen()) as seen:
        _, routing = layer(x, mask=mask, return_routing=True)
        layer(x, training=True)
    layer(x)  # After it, nothing is shown.
    ((owner, gate, values, shown_mask, training), second) = seen
    assert owner is layer and gate == "router" and not training and second[4]
    np.testing.assert_array_equal(shown_mask, mask.ravel())
    assert second[3] is None
    assert set(values) == set(routing)
    for key, value in values.items():
        assert isinstance(value, np.ndarray)
        np.testing.assert_array_equal(value, ops.convert_to_numpy(routing[key]))


def test_a_hook_may_replace_a_routing():
    layer = MixtureOfExperts(DenseExperts(4, 3), router=TopKRouter(k=1))
    x = draw(5, 6)
    layer.build(x.shape)

    def to_expert_2(layer, gate, routing, mask, training):
        index = ops.full_like(routing["expert_index"], 2)
        return {**routing, "expert_index": index, "weight": ops.ones_like(routing["weight"])}

    with hooked(to_expert_2):
        found = ops.convert_to_numpy(layer(x))
    expected = ops.convert_to_numpy(layer.experts(x, np.array([0, 0, 5, 0], "int32")))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_gates_have_names():
    layer = MultiGateMixtureOfExperts(DenseExperts(4, 3), {"a": "dense", "b": "top_k"})
    with hooked(Seen()) as seen:
        layer(draw(5, 6))
    assert [gate for _, gate, *_ in seen] == ["a", "b"]
    assert [values["expert_index"].shape for _, _, values, *_ in seen] == [(5, 4), (5, 2)]


@pytest.mark.parametrize("make_model", [small_model, Subclassed])
def test_eager_fit_evaluate_and_predict(make_model):
    model = make_model()
    if not model.built:
        model.compile("sgd", "mse")
    layers = 2 if isinstance(model, Subclassed) else 1
    x, y = draw(10, 6), draw(10, 3, seed=1)
    with hooked(Seen()) as seen, eagerly(model):
        model.fit(x, y, batch_size=4, epochs=2, verbose=0)
        assert [training for *_, training in seen] == [True] * 6 * layers
        rows = [len(values["weight"]) for _, _, values, *_ in seen]
        assert rows == [n for n in (4, 4, 2) * 2 for _ in range(layers)]
        seen.clear()
        model.evaluate(x, y, verbose=0)
        model.predict(x, verbose=0)
        assert [training for *_, training in seen] == [False] * 2 * layers


def test_compiled_functions_are_given_back():
    model = small_model()
    x, y = draw(10, 6), draw(10, 3, seed=1)
    model.fit(x, y, verbose=0)
    before = model.train_function
    with pytest.raises(KeyError), eagerly(model):
        assert model.run_eagerly
        model.fit(x, y, verbose=0)
        raise KeyError
    assert not model.run_eagerly
    assert model.train_function is before is not None


@pytest.mark.tensorflow
@pytest.mark.parametrize("compile_arguments", [{}, {"jit_compile": True}])
def test_a_compiled_function_is_refused(compile_arguments):
    model = small_model(**compile_arguments)
    with hooked(Seen()) as seen:
        with pytest.raises(ValueError, match="The test needs a model that runs eagerly"):
            model.predict(draw(10, 6), verbose=0)
        with eagerly(model):
            model.predict(draw(10, 6), verbose=0)
    assert len(seen) == 1


@pytest.mark.jax
def test_jit_is_refused_but_gradients_are_not():
    import jax

    layer = MixtureOfExperts(DenseExperts(4, 3), k=2)
    x = draw(5, 6)
    expected, routing = layer(x, return_routing=True)
    with hooked(Seen()) as seen:
        with pytest.raises(ValueError, match="The test needs a model that runs eagerly"):
            jax.jit(layer)(x)
        jax.grad(lambda x: ops.sum(layer(x)))(jax.numpy.asarray(x))
    ((_, _, values, *_),) = seen
    np.testing.assert_array_equal(values["weight"], ops.convert_to_numpy(routing["weight"]))
