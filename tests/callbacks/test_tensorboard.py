"""TensorBoard: what is written can be read back, and is what the logs say."""

import sys

import keras
import numpy as np
import pytest

from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers import DenseExperts, MixtureOfExperts, MultiGateMixtureOfExperts

pytestmark = pytest.mark.usefixtures("eager_module")


def read(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return accumulator.EventAccumulator(str(folder)).Reload()


def values(events, tag):
    from tensorboard.util.tensor_util import make_ndarray

    found = events.Tensors(tag)
    return [one.step for one in found], np.stack([make_ndarray(one.tensor_proto) for one in found])


def test_scalars_and_histograms(tmp_path):
    pytest.importorskip("tensorboard")
    first = MixtureOfExperts(DenseExperts(4, 8), k=1, name="first")
    gates = MultiGateMixtureOfExperts(DenseExperts(3, 8), {"a": "dense", "b": "top_k"}, name="two")
    inputs = keras.Input((8,))
    outputs = gates(first(inputs))
    model = keras.Model(inputs, outputs["a"] + outputs["b"])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(40, 8)).astype("float32")
    callback = ExpertLoad(per_layer=True, per_expert=True, log_dir=tmp_path, warn=False)
    logs = model.fit(x, x, epochs=2, verbose=0, callbacks=[callback]).history

    events = read(tmp_path / "experts")
    tags = events.Tags()["tensors"]
    for path, num_experts in (("first", 4), ("two/a", 3), ("two/b", 3)):
        for name in ("load_violation", "dropped", "dead", "experts_per_token", "entropy"):
            steps, found = values(events, f"{path}/{name}")
            assert steps == [0, 1]
            np.testing.assert_allclose(found, logs[f"{path}/{name}"], rtol=1e-6)
        steps, found = values(events, f"{path}/load")
        assert steps == [0, 1] and found.shape == (2, num_experts, 3)
        for e in range(num_experts):
            np.testing.assert_array_equal(found[:, e, :2], [[e, e + 1]] * 2)
            np.testing.assert_allclose(found[:, e, 2], logs[f"{path}/load_{e}"], rtol=1e-6)
        assert events.SummaryMetadata(f"{path}/load").plugin_data.plugin_name == "histograms"
    assert "first/balance_loss" in tags and "two/a/balance_loss" not in tags


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        ExpertLoad(log_dir=tmp_path)
    ExpertLoad()  # Which needs none of it.
