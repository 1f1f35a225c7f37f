"""ReLURouter holds the average number of open experts within 10 % of its target, by default."""

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import DenseExperts, MixtureOfExperts, ReLURouter

TOKENS, WIDTH = 4, 16


def data(padding, seed=0):
    """Tokens of one of three kinds, each with a function of its own, and the mask."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(512, TOKENS, WIDTH)).astype("float32")
    kind = x[..., :3].argmax(axis=-1)
    matrices = rng.normal(size=(3, WIDTH, 8)) / 4
    y = np.tanh(np.einsum("ntd,ntde->nte", x, matrices[kind])).astype("float32")
    lengths = rng.integers(1, TOKENS + 1, 512) if padding else np.full(512, TOKENS)
    mask = np.arange(TOKENS) < lengths[:, None]
    x[~mask] = 5.0  # What would open gates, if it counted.
    return x, y, mask


def train(k, experts, padding, epochs, jit_compile=False, **kwargs):
    """Experts per token: of each epoch, and after training on all tokens that are not padding."""
    x, y, mask = data(padding)
    layer = MixtureOfExperts(
        DenseExperts(experts, 8, activation="relu"), router=ReLURouter(k=k, **kwargs)
    )
    inputs, mask_input = keras.Input(x.shape[1:]), keras.Input((TOKENS,), dtype="bool")
    model = keras.Model([inputs, mask_input], layer(inputs, mask=mask_input))
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit_compile)
    load = ExpertLoad(per_layer=True, warn=False)
    weights = mask.astype("float32")
    logs = model.fit(
        [x, mask], y, 32, epochs, sample_weight=weights, callbacks=[load], verbose=0
    ).history
    _, routing = layer(x, mask=mask, return_routing=True)
    assert logs["task_loss"][-1] < 0.5 * logs["task_loss"][0]
    opened = ops.convert_to_numpy(routing["is_open"]).sum() / mask.sum()
    return logs[f"{layer.path}/experts_per_token"], opened


def check(k, experts, padding, epochs=60, **kwargs):
    trained, after = train(k, experts, padding, epochs, **kwargs)
    assert trained[0] > 1.2 * k  # It starts far from its target.
    held = trained[-epochs // 4 :]
    assert np.mean(held) == pytest.approx(k, rel=0.1), trained
    assert after == pytest.approx(k, rel=0.3)  # One moment of the swing around the target.


@pytest.mark.slow
def test_holds_its_target():
    # A coefficient that starts larger saves the steps in which it is too small to matter.
    check(2, 16, padding=True, epochs=24, l1_initial=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "k, experts, padding, jit_compile",
    [(1, 8, False, False), (2, 8, True, True), (4, 16, True, False), (3, 12, False, True)],
)
def test_holds_its_target_by_default(k, experts, padding, jit_compile):
    if keras.backend.backend() == "torch" and jit_compile:
        pytest.skip("torch.compile is another compiler with other limits")
    check(k, experts, padding, jit_compile=jit_compile)
