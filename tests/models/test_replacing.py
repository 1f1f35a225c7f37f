import keras
import numpy as np
import pytest

from sparse_keras import layers
from sparse_keras.models.replacing import Replacement, replace_layers


def replacement(layer, by, value=2.0):
    return Replacement(layer, by, lambda new: new.kernel.assign(np.full(new.kernel.shape, value)))


@keras.saving.register_keras_serializable("tests")
class Owner(keras.layers.Layer):
    """A layer with another inside, which its config describes."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.scale = self.add_weight(name="scale", shape=(3,))

    def call(self, inputs):
        return self.inner(inputs * self.scale)

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config["inner"])
        return cls(**{**config, "inner": inner})


def test_a_layer_inside_a_layer_of_a_compiled_model():
    dense = keras.layers.Dense(4, name="inner")
    model = keras.Sequential([keras.Input((3,)), Owner(dense), keras.layers.BatchNormalization()])
    model.layers[1].trainable = False
    model.layers[0].scale.assign([1.0, 2.0, 3.0])
    model.compile("adam", "mse")
    by = keras.layers.Dense(4, use_bias=False, name="other")
    new = replace_layers(model, [replacement(dense, by)])
    assert new.layers[0].inner.name == "other" and not new.layers[0].inner.use_bias
    np.testing.assert_array_equal(new.layers[0].inner.kernel, np.full((3, 4), 2.0))
    np.testing.assert_array_equal(new.layers[0].scale, [1.0, 2.0, 3.0])
    assert not new.layers[1].trainable and not new.compiled
    assert model.compiled and model.layers[0].inner is dense


def test_a_layer_that_the_config_does_not_describe():
    class Hidden(Owner):
        def get_config(self):
            return {"name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(keras.layers.Dense(4, name="inner"), **config)

    dense = keras.layers.Dense(4, name="inner")
    model = keras.Sequential([keras.Input((3,)), Hidden(dense)])
    with keras.saving.custom_object_scope({"Hidden": Hidden}):
        with pytest.raises(ValueError, match="other layers when it is made from its config"):
            replace_layers(model, [replacement(dense, keras.layers.Dense(4, name="other"))])


def test_a_model_without_weights():
    layer = layers.FeedForward(3)
    with pytest.raises(ValueError, match="no weights yet"):
        replace_layers(keras.Sequential([layer]), [replacement(layer, keras.layers.Dense(3))])
