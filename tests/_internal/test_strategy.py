"""Variables that are made for a model belong to its strategy."""

import types

import keras
import pytest

from sparse_keras._internal.strategy import num_replicas, strategy_scope


def test_a_model_without_a_strategy_has_an_empty_scope():
    model = types.SimpleNamespace()
    with strategy_scope(model) as scope:
        assert scope is None
    assert num_replicas(model) == 1


@pytest.mark.tensorflow
def test_the_scope_is_that_of_the_model():
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = keras.Sequential([keras.layers.Dense(2)])
    assert tf.distribute.get_strategy() is not strategy
    with strategy_scope(model):
        assert tf.distribute.get_strategy() is strategy
