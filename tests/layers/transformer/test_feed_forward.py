"""FeedForward against NumPy, and against the experts that compute the same."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import FeedForward, GLUExperts, MLPExperts
from sparse_keras.models.cost import flops_per_example
from tests.layers.transformer.attention_cases import draw
from tests.layers.transformer.attention_reference import randomize, weights_of
from tests.layers.transformer.block_reference import feed_forward
from tests.support.gradients import to_numpy


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
def test_against_the_reference(gated, use_bias):
    layer = FeedForward(5, gated=gated, use_bias=use_bias)
    layer.build((None, 6))
    randomize(layer)
    for shape in ((4, 6), (2, 3, 6), (0, 6)):
        x = draw(*shape)
        expected = feed_forward(x, weights_of(layer))
        np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gated, bank", [(True, GLUExperts), (False, MLPExperts)])
def test_it_is_one_expert(gated, bank):
    layer = FeedForward(5, "gelu", gated, use_bias=True)
    experts = bank(1, 5, activation="gelu", use_bias=True)
    for each in (layer, experts):
        each.build((None, 6))
    randomize(layer)
    weights = weights_of(layer)
    for variable in experts.variables:
        matrix, name = variable.path.split("/")[-2:]  # Such as "up", "expert_up_kernel".
        variable.assign(weights[f"{matrix}/{name.rsplit('_')[-1]}"][None])
    x = draw(4, 6)
    found = experts(x, ops.convert_to_tensor([4]))
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(found), rtol=1e-5, atol=1e-6)


def test_dropout():
    layer, x = FeedForward(50, dropout=0.5, seed=1), draw(2, 6)
    first, second = (to_numpy(layer(x, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(layer(x, training=False)))


def test_initial_values_of_matrices_differ():
    """Even if they have one shape and one seed."""
    layer = FeedForward(6, kernel_initializer=keras.initializers.GlorotUniform(seed=1))
    layer.build((None, 6))
    kernels = [to_numpy(v) for v in layer.trainable_variables]
    assert not np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_flops():
    """Three matrices of 6 x 5, or two, for each of 4 tokens."""
    for gated, matrices in ((True, 3), (False, 2)):
        model = keras.Sequential([keras.Input((4, 6)), FeedForward(5, gated=gated)])
        assert flops_per_example(model) == 4 * matrices * 2 * 6 * 5
    assert model.layers[0].flops_per_example((None, None, 6)) is None
