"""Weights laid out over two devices by `keras.distribution`, on JAX, as KerasHub proposes it."""

import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("keras_hub")

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In a process of its own: the number of devices is fixed at the start, a distribution is global.
SCRIPT = """
import keras
import numpy as np

from sparse_keras import hub
from tests.support.keras_hub_models import backbone, inputs

x = inputs("Qwen3-MoE", batch=4)
mask = x["padding_mask"].astype(bool)
expected = np.asarray(backbone("Qwen3-MoE")(x))[mask]

mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"])
layout = type(backbone("Qwen3-MoE")).get_layout_map(mesh)
layout[".*expert_feedforward.*"] = ("model", None, None)  # Half of the experts on each.
keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout))
model = hub.sparsify(backbone("Qwen3-MoE"))
(bank, *_) = [weight for weight in model.weights if "expert_feedforward" in weight.path]
assert len(bank.value.sharding.device_set) == 2 and bank.value.sharding.spec[0] == "model"
np.testing.assert_allclose(model.predict(x, verbose=0)[mask], expected, atol=1e-5)

before = np.asarray(bank)
model.compile("sgd", "mse")
model.fit(x, np.zeros((*mask.shape, 16), "float32"), verbose=0)
assert np.abs(np.asarray(bank) - before).max() > 0 and bank.value.sharding.spec[0] == "model"
"""


@pytest.mark.jax
def test_experts_on_two_devices():
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
