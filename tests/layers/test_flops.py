import keras
import pytest

from sparse_keras.layers import (
    DenseExperts,
    DepthSharedMixtureOfExperts,
    GatedSharedExpert,
    LayerExperts,
    MixtureOfExperts,
    MultiGateMixtureOfExperts,
)
from sparse_keras.layers.flops import layer_flops


def functional():
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dense(5)(inputs)))


# By hand: D = 6, output width 3; two operations for each weight of a matrix.
SHARED = {
    "dense": (lambda: keras.layers.Dense(3), 2 * 18),
    "gated": (lambda: GatedSharedExpert(keras.layers.Dense(3)), 2 * (18 + 6)),
    "sequential": (
        lambda: keras.Sequential([keras.layers.Dense(5), keras.layers.Dense(3)]),
        2 * (30 + 15),
    ),
    "functional": (functional, 2 * (30 + 15)),
    "not counted": (lambda: keras.layers.EinsumDense("ab,bc->ac", output_shape=3), None),
}


@pytest.mark.parametrize("name", SHARED)
def test_a_mixture_counts_its_shared_expert(name):
    make, expected = SHARED[name]
    layer = MixtureOfExperts(DenseExperts(4, 3), shared_expert=make())
    layer.build((None, 6))
    # Router 6 * 4, two experts of 6 * 3.
    total = None if expected is None else 2 * (24 + 36) + expected
    assert layer.flops_per_token(6) == layer_flops(layer, (None, 6)) == total
    assert layer.flops_per_example((7, 6)) == total


def test_depths_count_the_shared_expert_each():
    layer = DepthSharedMixtureOfExperts(
        DenseExperts(4, 6), num_depths=2, shared_expert=keras.layers.Dense(6)
    )
    layer.build((None, 6))
    assert layer.at(1).flops_per_token(6) == 2 * (24 + 72 + 36)


def test_gates_over_a_template_that_cannot_be_counted():
    template = keras.layers.EinsumDense("ab,bc->ac", output_shape=3)
    gates = {"a": "top_k", "b": "top_k"}
    layer = MultiGateMixtureOfExperts(LayerExperts(template, 4), gates)
    layer.build((None, 6))
    assert layer.flops_per_token(6) is None


def test_positions_must_be_static():
    layer = MixtureOfExperts(DenseExperts(4, 3))
    layer.build((None, None, 6))
    assert layer.flops_per_example((None, 5, 6)) == 5 * layer.flops_per_token(6)
    assert layer.flops_per_example((None, None, 6)) is None
