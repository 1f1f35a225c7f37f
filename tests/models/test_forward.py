"""Predicting arrays without Keras's input pipeline."""

import keras
import numpy as np

from sparse_keras.layers import ExpertChoiceRouter, MixtureOfExperts
from sparse_keras.models.forward import Forward


class Counted(keras.layers.Dense):
    """Counts how often it is traced."""

    calls = 0

    def call(self, x):
        type(self).calls += 1
        return super().call(x)


def network(*layers):
    inputs = {"numeric": keras.Input([3]), "codes": keras.Input([2], dtype="int32")}
    codes = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(inputs["codes"]))
    x = keras.layers.Concatenate()([inputs["numeric"], codes])
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, {"a": keras.layers.Dense(1)(x), "b": x})


def rows(count):
    rng = np.random.default_rng(count)
    return {
        "numeric": rng.normal(size=(count, 3)).astype("float32"),
        "codes": rng.integers(0, 5, (count, 2)).astype("int32"),
    }


def test_outputs_are_those_of_predict_and_every_size_shares_a_graph():
    model = network(Counted(4))
    forward = Forward(model)
    Counted.calls = 0
    for count in (1, 2, 3, 40):
        x = rows(count)
        assert forward.applies_to(x)
        outputs = forward(x, verbose=0)
        calls = Counted.calls
        expected = model.predict(x, verbose=0)
        for name in ("a", "b"):
            np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-5, atol=1e-6)
        Counted.calls = calls
    assert Counted.calls <= {"tensorflow": 1, "jax": 4, "torch": 4}[keras.backend.backend()]


def test_a_subclass_predicts_as_it_is_called():
    class Doubled(keras.Model):
        def __init__(self, core):
            super().__init__()
            self.core = core

        def call(self, x):
            return keras.tree.map_structure(lambda y: 2 * y, self.core(x))

    core, x = network(keras.layers.Dense(4)), rows(5)
    model = Doubled(core)
    model(x)
    forward = Forward(model)
    once = Forward(core)(x, verbose=0)["b"]
    np.testing.assert_allclose(forward(x, verbose=0)["b"], 2 * once, rtol=1e-5)


def test_batches():
    model = network(keras.layers.Dense(4))
    x, forward = rows(10), Forward(model)
    whole, parts = forward(x, verbose=0), forward(x, batch_size=4, verbose=0)
    np.testing.assert_allclose(parts["a"], whole["a"], rtol=1e-5, atol=1e-6)


def test_new_variables_are_compiled_anew():
    model = network(dense := keras.layers.Dense(4))
    x, forward = rows(3), Forward(model)
    forward(x, verbose=0)
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(np.ones((2, 4), "float32"))
    np.testing.assert_allclose(
        forward(x, verbose=0)["b"], keras.ops.convert_to_numpy(model(x)["b"]), rtol=1e-5, atol=1e-5
    )


def test_routers_that_look_at_other_rows_see_the_batches_of_keras():
    keras.utils.set_random_seed(1)
    mixture = MixtureOfExperts(
        experts={"type": "mlp", "num_experts": 4, "hidden_dim": 3},
        router=ExpertChoiceRouter(capacity_factor=1.0),
    )
    inputs = keras.Input([5])
    model = keras.Model(inputs, mixture(inputs))
    assert not mixture.predicts_alone
    x = np.random.default_rng(0).normal(size=(70, 5)).astype("float32")
    np.testing.assert_allclose(
        Forward(model)(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_sequences_of_every_length_share_a_graph():
    dense = Counted(4)
    inputs = keras.Input([None, 3])
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(dense(inputs)))
    forward = Forward(model)
    Counted.calls = 0
    for count, length in ((1, 2), (3, 7), (2, 5)):
        x = np.random.default_rng(length).normal(size=(count, length, 3)).astype("float32")
        outputs = forward(x, verbose=0)
        calls = Counted.calls
        np.testing.assert_allclose(
            outputs, keras.ops.convert_to_numpy(model(x)), rtol=1e-5, atol=1e-6
        )
        Counted.calls = calls
    assert Counted.calls <= {"tensorflow": 1, "jax": 3, "torch": 3}[keras.backend.backend()]


def test_a_batch_has_fewer_long_sequences():
    """Attention of each token to all others would not fit into memory otherwise."""

    class Largest(keras.layers.Layer):
        def call(self, x):
            return 0 * x + keras.ops.cast(keras.ops.shape(x)[0], x.dtype)

    inputs = keras.Input([None])
    forward = Forward(keras.Model(inputs, Largest()(inputs)))
    sizes = forward(np.zeros((1000, 64), "float32"), verbose=0)
    assert sizes.max() == 16_384 / 64
    table = keras.Input([64])
    forward = Forward(keras.Model(table, Largest()(table)))
    assert forward(np.zeros((1000, 64), "float32"), verbose=0).max() >= 1000
