import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import DenseExperts, GLUExperts, MLPExperts, TiedExperts
from sparse_keras.layers.initializers import per_group
from tests.support.gradients import to_numpy

SCALED = ["glorot_uniform", "glorot_normal", "he_normal", "lecun_uniform", "orthogonal"]
BANKS = {
    "dense": lambda **kwargs: DenseExperts(16, 128, **kwargs),
    "mlp": lambda **kwargs: MLPExperts(16, 128, **kwargs),
    "glu": lambda **kwargs: GLUExperts(16, 128, **kwargs),
    "tied": lambda **kwargs: TiedExperts(16, 128, **kwargs),
}


def matrices(bank):
    """Every expert's matrices, by the names of the weights they are in."""
    found = {w.name: to_numpy(w) for w in bank.weights if w.name.endswith("kernel")}
    return {name: value if value.ndim == 3 else value[None] for name, value in found.items()}


@pytest.mark.parametrize("initializer", SCALED)
@pytest.mark.parametrize("name", BANKS)
def test_spread_is_that_of_a_dense_layer(name, initializer):
    """Seen in KerasHub: the expert axis counted as a receptive field, and the standard deviation
    was divided by sqrt(E), 4 here."""
    bank = BANKS[name](kernel_initializer=initializer)
    bank.build((None, 64))
    for role, experts in matrices(bank).items():
        dense = keras.initializers.get(initializer)
        expected = np.mean([to_numpy(dense.clone()(experts.shape[1:])).std() for _ in range(4)])
        for e, matrix in enumerate(experts):
            assert abs(matrix.std() / expected - 1) < 0.03, f"{role}, expert {e}"


INITIALIZERS = {
    "name": lambda: "glorot_uniform",
    "object": lambda: keras.initializers.GlorotUniform(),
    "integer seed": lambda: keras.initializers.GlorotUniform(seed=3),
    "seed 0": lambda: keras.initializers.RandomNormal(seed=0),
    "seed generator": lambda: keras.initializers.HeNormal(seed=keras.random.SeedGenerator(3)),
    "config": lambda: {"class_name": "GlorotUniform", "config": {"seed": 3}},
}


@pytest.mark.parametrize("initializer", INITIALIZERS)
@pytest.mark.parametrize("name", BANKS)
def test_no_two_matrices_are_equal(name, initializer):
    bank = BANKS[name](kernel_initializer=INITIALIZERS[initializer]())
    bank.build((None, 128))  # As wide as the hidden units, so that up and down could be equal.
    every = [matrix for experts in matrices(bank).values() for matrix in experts]
    for i, matrix in enumerate(every):
        for other in every[:i]:
            # Not even up to their scale, nor transposed.
            for candidate in (other, other.T):
                correlation = np.corrcoef(matrix.ravel(), candidate.ravel())[0, 1]
                assert abs(correlation) < 0.2


def test_one_scale_initializer_serves_both_scalings():
    scale = keras.initializers.RandomNormal(1.0, 0.5, seed=3)
    bank = TiedExperts(8, 64, scale_initializer=scale)
    bank.build((None, 64))
    vectors = np.concatenate([to_numpy(bank.input_scale), to_numpy(bank.output_scale)])
    correlation = np.corrcoef(vectors) - np.eye(16)
    assert np.abs(correlation).max() < 0.6


def test_integer_seeds_reproduce():
    first, second = (
        to_numpy(per_group(keras.initializers.GlorotNormal(seed=5), "role")((3, 4, 5)))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    other_role = per_group(keras.initializers.GlorotNormal(seed=5), "other")((3, 4, 5))
    other_seed = per_group(keras.initializers.GlorotNormal(seed=6), "role")((3, 4, 5))
    assert not np.array_equal(first, to_numpy(other_role))
    assert not np.array_equal(first, to_numpy(other_seed))


def test_a_draw_does_not_depend_on_the_number_of_experts():
    few, many = (
        to_numpy(per_group(keras.initializers.GlorotNormal(seed=5), "role")((e, 4, 5)))
        for e in (2, 6)
    )
    np.testing.assert_array_equal(few, many[:2])


@pytest.mark.parametrize(
    "initializer, expected",
    [
        (keras.initializers.Constant(2.0), 2 * np.ones((3, 2, 2))),
        (keras.initializers.Identity(), np.stack([np.eye(2)] * 3)),
        (lambda shape, dtype=None: ops.full(shape, 7.0, dtype), 7 * np.ones((3, 2, 2))),
    ],
    ids=["constant", "identity", "function"],
)
def test_initializers_without_a_seed(initializer, expected):
    np.testing.assert_array_equal(to_numpy(per_group(initializer, "role")((3, 2, 2))), expected)


def test_dtype():
    values = per_group(keras.initializers.HeNormal(seed=1), "role")((2, 3, 4), dtype="bfloat16")
    assert keras.backend.standardize_dtype(values.dtype) == "bfloat16"
