"""Ensembles: every expert on its own, and losses that are those of each member."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import EnsembleHead, ExpertEnsemble, MLPExperts, TiedExperts
from tests.support import reference
from tests.support.gradients import gradients, to_numpy

BANKS = {
    "tied": lambda: TiedExperts(3, 5, activation="tanh", bias_initializer="normal"),
    "tied without bias": lambda: TiedExperts(3, 5, activation="silu", use_bias=False),
    "mlp": lambda: MLPExperts(3, 7, output_dim=5, activation="relu", bias_initializer="normal"),
}


@pytest.mark.parametrize("make", BANKS.values(), ids=BANKS)
@pytest.mark.parametrize("leading", [(4,), (2, 3)])
def test_every_expert_sees_every_token(make, leading):
    bank = make()
    layer = ExpertEnsemble(bank)
    x = np.random.default_rng(0).normal(size=(*leading, 6)).astype("float32")
    found = to_numpy(layer(x))
    weights = reference.weights_of(bank)
    for index in np.ndindex(leading):
        for e in range(3):
            expert = reference.Expert(bank, weights, {}, e)
            expected, _ = expert(x[index].astype("float64"))
            np.testing.assert_allclose(found[index][e], expected, rtol=1e-4, atol=1e-5)
    assert found.shape == layer.compute_output_shape((*leading, 6)) == (*leading, 3, 5)
    assert not np.allclose(found[..., 0, :], found[..., 1, :])


def test_a_bank_of_another_layer_is_refused():
    bank = TiedExperts(3, 5)
    first, _second = ExpertEnsemble(bank), ExpertEnsemble(bank)
    with pytest.raises(ValueError, match="is part of"):
        first(np.ones((2, 6), "float32"))


def test_flops():
    layer = ExpertEnsemble({"type": "tied", "num_experts": 3, "units": 5})
    layer.build((None, 6))
    assert layer.flops_per_token(6) == 3 * 2 * 6 * 5


LOSSES = {
    # Units, activation, loss, targets.
    "binary": (
        1,
        "sigmoid",
        keras.losses.BinaryCrossentropy(),
        lambda rng: rng.integers(0, 2, (9, 1)),
    ),
    "smoothed": (
        2,
        "sigmoid",
        keras.losses.BinaryCrossentropy(label_smoothing=0.2),
        lambda rng: rng.integers(0, 2, (9, 2)),
    ),
    "classes": (
        4,
        "softmax",
        keras.losses.SparseCategoricalCrossentropy(),
        lambda rng: rng.integers(0, 4, (9,)),
    ),
    "numbers": (2, "linear", keras.losses.MeanSquaredError(), lambda rng: rng.normal(size=(9, 2))),
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_member_is_trained_by_itself(name):
    """Loss and gradients are those of the mean of the members' losses."""
    units, activation, loss, targets = LOSSES[name]
    rng = np.random.default_rng(3)
    x = rng.normal(size=(9, 3, 5)).astype("float32")
    y = targets(rng).astype("float32")
    head = EnsembleHead(units, activation=activation)
    head.build(x.shape)
    head.bias.assign(rng.normal(size=(3, units)))
    activate = keras.activations.get(activation)

    def trained(x):
        predicted = head(x, training=True)
        return loss(y, predicted) + sum(head.losses)

    def apart(x):
        members = [
            loss(y, activate(ops.matmul(x[:, m], head.kernel[m]) + head.bias[m])) for m in range(3)
        ]
        return sum(members) / 3

    assert float(to_numpy(trained(x))) == pytest.approx(float(to_numpy(apart(x))), rel=1e-5)
    if keras.backend.backend() == "jax":
        return  # There, losses of a layer leave a traced function by `stateless_call` only.
    (found,), (expected,) = gradients(trained, x), gradients(apart, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    # The gap is no small part: the loss of the mean alone has other gradients.
    (of_mean,) = gradients(lambda x: loss(y, head(x)), x)
    assert np.abs(of_mean - expected).max() > 0.1 * np.abs(expected).max()


def test_inference_predicts_the_mean_and_adds_no_loss():
    head = EnsembleHead(1, activation="sigmoid")
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype("float32")
    found = to_numpy(head(x))
    logits = np.einsum("bmd,mdu->bmu", x, reference.weights_of(head)["kernel"])
    np.testing.assert_allclose(found, reference.sigmoid(logits.mean(axis=1)), rtol=1e-5)
    assert head.losses == []


def test_an_activation_without_such_a_loss():
    with pytest.raises(ValueError, match="activation='relu'"):
        EnsembleHead(1, activation="relu")
