"""How often XLA compiles."""

import os
import subprocess
import sys

import pytest

FIT = """
import keras
import numpy as np
from sparse_keras.layers import MixtureOfExperts, MLPExperts

model = keras.Sequential([MixtureOfExperts(MLPExperts(8, 16), capacity_factor=CAPACITY)])
model.compile("sgd", "mse", jit_compile=True)
x = np.random.default_rng(0).normal(size=(120, 8)).astype("float32")
model.fit(x, x, batch_size=40, epochs=2, verbose=0)
"""


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("capacity", [None, 1.25])
def test_one_compilation_for_all_steps(tmp_path, capacity):
    """Every batch is routed in another way; shapes and constants must not depend on it."""
    flags = f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text {os.environ['XLA_FLAGS']}"
    subprocess.run(
        [sys.executable, "-c", FIT.replace("CAPACITY", str(capacity))],
        env={**os.environ, "XLA_FLAGS": flags},
        check=True,
        capture_output=True,
    )
    assert len(list(tmp_path.glob("*one_step_on_data*before_optimizations.txt"))) == 1
