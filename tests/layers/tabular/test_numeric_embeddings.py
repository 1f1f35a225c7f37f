"""Embeddings of numeric columns against loops over rows and columns, in float64."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import PeriodicEmbedding, PiecewiseLinearEmbedding
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.reference import ACTIVATIONS, weights_of

# Columns of three bins, none, and two; the second and the third can be missing.
GROUPS = [0, 1, 2, 0, 0, 0, 2, 2, 1, 2]
KINDS = ["value"] * 3 + ["bin"] * 5 + ["missing"] * 2
DIM = 4


def rows(seed, count=7):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, len(KINDS)))
    x[:, 3:8] = rng.uniform(size=(count, 5))
    x[:, 8:] = rng.integers(0, 2, size=(count, 2))
    return x.astype("float32")


def randomised(layer, seed=0):
    """The layer with weights that are nowhere 0."""
    layer.build((None, len(KINDS)))
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def piecewise_linear(layer, x):
    weights, row = weights_of(layer), 0
    y = np.zeros((len(x), 3, DIM))
    for column in range(3):
        of = {
            kind: [i for i in range(10) if (GROUPS[i], KINDS[i]) == (column, kind)]
            for kind in ("value", "bin", "missing")
        }
        if not layer.linear and of["bin"]:
            of["value"] = []
        for feature in of["value"] + of["missing"] + of["bin"]:
            for n in range(len(x)):
                y[n, column] += float(x[n, feature]) * weights["kernel"][row]
            row += 1
        y[:, column] += weights["bias"][column]
    assert row == len(weights["kernel"])
    return y


def periodic(layer, x):
    weights = weights_of(layer)
    y = np.zeros((len(x), 3, DIM))
    missing = {1: (8, 0), 2: (9, 1)}  # Column: its indicator, its row.
    for n in range(len(x)):
        for column in range(3):
            angle = 2 * np.pi * weights["frequency"][column] * float(x[n, column])
            waves = np.concatenate([np.sin(angle), np.cos(angle)])
            own = 0 if layer.shared else column
            y[n, column] = waves @ weights["kernel"][own] + weights["bias"][own]
            if column in missing:
                indicator, row = missing[column]
                y[n, column] += float(x[n, indicator]) * weights["missing"][row]
    return y


LAYERS = {
    "linear and bins": (PiecewiseLinearEmbedding, {"linear": True}, piecewise_linear),
    "bins alone": (PiecewiseLinearEmbedding, {"linear": False}, piecewise_linear),
    "periodic": (PeriodicEmbedding, {"frequencies": 3}, periodic),
    "periodic, shared": (PeriodicEmbedding, {"frequencies": 3, "shared": True}, periodic),
}


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_the_loop(name, activation):
    make, arguments, reference = LAYERS[name]
    layer = make(DIM, GROUPS, KINDS, activation=activation, **arguments)
    layer, x = randomised(layer), rows(1)
    expected = ACTIVATIONS[activation][0](reference(layer, x)).reshape(len(x), -1)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-4)
    # Leading axes are kept.
    found = to_numpy(layer(x[:6].reshape(2, 3, -1)))
    np.testing.assert_allclose(found, expected[:6].reshape(2, 3, -1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_those_of_the_loop(name):
    """By central differences of the loop, in every weight and every input."""
    make, arguments, reference = LAYERS[name]
    layer = make(DIM, GROUPS, KINDS, activation="tanh", **arguments)
    layer, x = randomised(layer), rows(2, count=3)
    upstream = np.random.default_rng(3).normal(size=(3, 3, DIM))

    def loss(x):
        return (np.tanh(reference(layer, x)) * upstream).sum()

    def difference(array, index, put):
        values, step = [], 1e-3
        for sign in (1, -1):
            changed = array.copy()
            changed[index] += sign * step
            values.append(put(changed))
        return (values[0] - values[1]) / (2 * step)

    dx, found = layer_gradients(
        layer, x, lambda y: ops.sum(ops.multiply(y, upstream.reshape(3, -1).astype("float32")))
    )
    x = x.astype("float64")
    for index in np.ndindex(x.shape):
        assert dx[index] == pytest.approx(difference(x, index, loss), rel=2e-3, abs=2e-3)
    for weight in layer.weights:
        before = np.array(weights_of(layer)[weight.name])

        def put(values, weight=weight):
            weight.assign(values)
            return loss(x)

        for index in np.ndindex(before.shape):
            expected = difference(before, index, put)
            assert found[weight.name][index] == pytest.approx(expected, rel=1e-2, abs=1e-2)
        weight.assign(before)


def test_piecewise_linear_embedding_by_hand():
    """Bins [0, 1] and [1, 3] of x = 2: full, and half full."""
    layer = PiecewiseLinearEmbedding(1, [0, 0, 0, 0], ["value", "missing", "bin", "bin"])
    layer.build((None, 4))
    layer.kernel.assign([[10.0], [7.0], [1.0], [4.0]])  # Value, missing, bins.
    layer.bias.assign([[0.5]])
    # 2 * 10 + 1 * 1 + 0.5 * 4 + 0.5 = 23.5. Missing: 7 + 0.5.
    x = np.array([[2, 0, 1, 0.5], [0, 1, 0, 0]], "float32")
    np.testing.assert_allclose(to_numpy(layer(x)), [[23.5], [7.5]], rtol=1e-6)


def test_bins_start_at_zero_beside_a_line():
    layer = PiecewiseLinearEmbedding(DIM, GROUPS, KINDS)
    layer.build((None, 10))
    kernel = weights_of(layer)["kernel"]
    zero = ~kernel.any(axis=1)
    # Value, 3 bins; value, missing; value, missing, 2 bins.
    assert zero.tolist() == [False, *[True] * 3, False, False, False, False, True, True]
    # Each column and each row is its own draw.
    assert len(np.unique(kernel[~zero])) == 5 * DIM


def test_bins_alone_are_all_drawn():
    layer = PiecewiseLinearEmbedding(DIM, GROUPS, KINDS, linear=False)
    layer.build((None, 10))
    # 3 bins; the value (there are no bins) and missing; missing and 2 bins.
    assert layer.kernel.shape == (3 + 2 + 3, DIM)
    assert weights_of(layer)["kernel"].all()


def test_an_integer_seed_draws_every_column_anew():
    layer = PeriodicEmbedding(DIM, kernel_initializer=keras.initializers.GlorotUniform(seed=1))
    layer.build((None, 3))
    kernel = weights_of(layer)["kernel"]
    assert not np.array_equal(kernel[0], kernel[1])


def test_frequencies_start_with_sigma():
    layer = PeriodicEmbedding(2, frequencies=5000, sigma=0.3)
    layer.build((None, 2))
    assert weights_of(layer)["frequency"].std() == pytest.approx(0.3, rel=0.05)


def test_flops_count_what_each_column_has():
    layer = PiecewiseLinearEmbedding(DIM, GROUPS, KINDS)
    layer.build((None, 10))
    assert layer.flops_per_token(10) == 2 * 10 * DIM
    layer = PeriodicEmbedding(DIM, GROUPS, KINDS, frequencies=3)
    layer.build((None, 10))
    assert layer.flops_per_token(10) == 2 * 3 * 6 * DIM


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PiecewiseLinearEmbedding(2, [0, 2]), "without gaps"),
        (
            lambda: PiecewiseLinearEmbedding(2, [0], ["bins"]),
            r"'value', 'bin', 'missing'.*kinds='bins'",
        ),
        (lambda: PiecewiseLinearEmbedding(0), "`dim` must be a positive integer"),
        (lambda: PiecewiseLinearEmbedding(2).build((None, 3)), "needs bins"),
        (lambda: PeriodicEmbedding(2, sigma=0.0), "sigma=0.0"),
        (lambda: PeriodicEmbedding(2, [0, 1]).build((None, 3)), "each of the 3 features"),
        (lambda: PeriodicEmbedding(2, [0, 0]).build((None, 2)), "column 0: the features"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
