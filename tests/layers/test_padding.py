"""Padding, whatever it holds, changes no other output, no loss and no statistic."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import MixtureOfExperts
from tests.layers.test_equality import BANKS, OUTPUT, ROUTERS, WIDTH
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.quick import slow_but_for

MASK = np.array(
    [[True, True, True, False, False], [False] * 5, [True] * 5, [False, True] * 2 + [True]]
)
FILLINGS = {"large": 1e4, "nan": np.nan}


def step(bank, router, x, mask, **kwargs):
    """One training call of a new but equal layer: outputs, losses, statistics, weight gradients."""
    keras.utils.set_random_seed(2)
    layer = MixtureOfExperts(BANKS[bank](4), router=ROUTERS[router](), **kwargs)
    # Experts that share a matrix meet padding rows too where shapes are static.
    layer.router.balance_loss, layer.router.importance_loss = 0.1, 0.1
    if router == "top_k":
        layer.router.z_loss = 0.1
    layer.build(x.shape)
    arguments = {} if mask is None else {"mask": mask}
    y = to_numpy(layer(x, training=True, **arguments))
    losses = [float(loss) for loss in layer.losses]
    found = layer.routing_statistics()
    layer.reset_statistics()
    kept = np.ones(x.shape[:-1], "float32") if mask is None else mask.astype("float32")

    def objective(y):
        return ops.sum(ops.multiply(ops.sin(y), kept[..., None]))

    dx, gradients = layer_gradients(layer, x, objective, training=True, **arguments)
    # Keras numbers the layers, and so their paths, over the whole process.
    gradients = {path.rsplit("/", 1)[-1]: gradient for path, gradient in gradients.items()}
    return y, losses, found, dx, gradients


def assert_same_step(a, b, a_tokens, b_tokens):
    for found, expected in ((a[0], b[0]), (a[3], b[3])):
        np.testing.assert_allclose(found[a_tokens], expected[b_tokens], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(a[1], b[1], rtol=1e-5)
    for name, value in b[2].items():
        np.testing.assert_allclose(a[2][name], value, rtol=1e-5, err_msg=name)
    for name, gradient in b[4].items():
        np.testing.assert_allclose(a[4][name], gradient, rtol=1e-4, atol=1e-6, err_msg=name)


CASES = [
    *itertools.product(
        ["mlp"],
        [
            "top 1",
            "top 2",
            "threshold",
            "few relu",
            "expert choice",
            "dselect k",
            "balanced 3",
            "sinkhorn 2",
            "top 1 by cosine",
            "1 of 1 group",
        ],
        [None],
    ),
    *itertools.product(["mlp"], ["top 2", "threshold", "expert choice", "sinkhorn 2"], [0.7]),
    *itertools.product(["dense", "glu", "tied"], ["top 2"], [None]),
]
QUICK = [
    ("mlp", "top 2", None),
    ("mlp", "few relu", None),
    ("mlp", "dselect k", None),
    ("mlp", "sinkhorn 2", 0.7),
    ("mlp", "expert choice", 0.7),
    ("glu", "top 2", None),
    ("tied", "top 2", None),
]


@pytest.mark.parametrize("bank, router, capacity_factor", slow_but_for(QUICK, CASES))
def test_padding_changes_nothing(bank, router, capacity_factor):
    kwargs = {"capacity_factor": capacity_factor}
    x = np.random.default_rng(0).normal(size=(*MASK.shape, WIDTH)).astype("float32")
    # The same tokens without any padding, one long sentence of them.
    alone = step(bank, router, x[MASK][None], None, **kwargs)
    every = np.ones((1, MASK.sum()), bool)
    for name, value in FILLINGS.items():
        filled = np.where(MASK[..., None], x, np.float32(value))
        padded = step(bank, router, filled, MASK, **kwargs)
        assert_same_step(padded, alone, MASK, every)
        np.testing.assert_array_equal(padded[0][~MASK], 0.0, err_msg=name)
        np.testing.assert_array_equal(padded[3][~MASK], 0.0, err_msg=name)


@pytest.mark.parametrize("bank", ["mlp", "glu", "tied"])
def test_a_batch_of_padding_alone(bank):
    x = np.full((2, 3, WIDTH), np.nan, "float32")
    y, losses, _, dx, gradients = step(bank, "top 2", x, np.zeros((2, 3), bool))
    np.testing.assert_array_equal(y, np.zeros((2, 3, OUTPUT)))
    np.testing.assert_array_equal(dx, 0.0)
    assert np.isfinite(losses).all()
    for name, gradient in gradients.items():
        assert np.isfinite(gradient).all(), name


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("bank", ["mlp", pytest.param("tied", marks=pytest.mark.slow)])
def test_nan_in_padding_under_xla(bank):
    """With static shapes every assignment has a row, those of padding too."""
    import tensorflow as tf

    layer = MixtureOfExperts(BANKS[bank](4))
    x = np.random.default_rng(0).normal(size=(*MASK.shape, WIDTH)).astype("float32")
    layer.build(x.shape)
    variables = [w.value for w in layer.trainable_weights]

    @tf.function(jit_compile=True)
    def gradients(x):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.where(MASK[..., None], layer(x, mask=MASK), 0.0))
        return tape.gradient(value, variables)

    expected = gradients(x)
    found = gradients(np.where(MASK[..., None], x, np.float32(np.nan)))
    for a, b, weight in zip(found, expected, layer.trainable_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=weight.path)


@pytest.mark.parametrize("mask_rank", [1, 2, 3])
def test_a_mask_of_the_first_axes_covers_the_rest(mask_rank):
    x = np.random.default_rng(1).normal(size=(3, 2, 4, WIDTH)).astype("float32")
    mask = np.random.default_rng(2).random((3, 2, 4)[:mask_rank]) < 0.5
    layer = MixtureOfExperts(BANKS["mlp"](4))
    full = np.broadcast_to(mask.reshape(mask.shape + (1,) * (3 - mask_rank)), (3, 2, 4))
    y = to_numpy(layer(x, mask=mask))
    np.testing.assert_allclose(y, to_numpy(layer(x)) * full[..., None], rtol=1e-5, atol=1e-6)


def test_the_mask_of_an_embedding_is_used():
    embedding = keras.layers.Embedding(9, WIDTH, mask_zero=True)
    layer = MixtureOfExperts(BANKS["mlp"](4))
    model = keras.Sequential([embedding, layer])
    model.compile("sgd", "mse", run_eagerly=True)
    sentences = np.array([[3, 4, 0, 0, 0], [5, 6, 7, 0, 0]])
    y = to_numpy(model(sentences))
    assert np.all(y[sentences == 0] == 0) and np.all(np.any(y[sentences > 0] != 0, axis=-1))
    model.train_on_batch(sentences, np.zeros((2, 5, OUTPUT)))
    found = to_numpy(layer.statistics["router"].sums)
    assert found[:4].sum() == 5 * 2 and found[4] == 5  # Five words, two experts each.
