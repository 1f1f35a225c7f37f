"""`training.freeze`, `train_only` and `lora`: what a config says trains."""

import numpy as np
import pytest

import sparse_keras
from sparse_keras.training.building import build_network
from sparse_keras.training.train import Interrupted
from sparse_keras.tuning.lora import lora_layers
from tests.training.runs.test_resuming import BreakAt

pytestmark = pytest.mark.usefixtures("eager_module")

SMALL = ["data.num_samples=200", "model.experts.num_experts=4", "training.batch_size=50"]


def load(*overrides):
    return sparse_keras.load_config("tabular/sparse_mlp_article", [*SMALL, *overrides])


def network(*overrides):
    config = load(*overrides)
    return build_network(config, sparse_keras.load_data(config))


def trained(model):
    return {v.path.split("/")[-1] for v in model.trainable_variables}


def test_freeze_and_train_only():
    everything = trained(network())
    frozen = trained(network("training.freeze=[experts, router]"))
    assert not any("expert" in name or "router" in name for name in frozen)
    assert {name for name in everything - frozen if "expert" not in name} == {"router_kernel"}
    assert trained(network("training.train_only=[router]")) == {"router_kernel"}


def test_lora():
    model = network("training.lora={rank: 2, alpha: 4, roles: [experts]}")
    assert all("lora" in name for name in trained(model))
    layers = lora_layers(model)
    assert layers
    assert {(layer.lora_rank, layer.lora_alpha) for layer in layers} == {(2, 4)}
    names = trained(network("training.lora={rank: 2}", "training.train_only=[head]"))
    assert {name for name in names if "lora" not in name} == {"kernel", "bias"}


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("freeze", "[attention]", "training.freeze: .*'attention'.*It has experts, router"),
        ("train_only", "[embeddings]", "training.train_only: .*'embeddings'"),
        ("lora", "{rank: 2, roles: [attention]}", "training.lora: .*'attention'"),
    ],
)
def test_a_role_that_the_model_lacks(key, value, message):
    with pytest.raises(ValueError, match=message):
        network(f"training.{key}={value}")


@pytest.mark.parametrize(
    "overrides, message",
    [
        (["training.freeze=[expert]"], "freeze"),
        (["training.freeze=[]"], "freeze"),
        (["training.freeze=[head]", "training.train_only=[router]"], "give one of them"),
        (["training.freeze=[head]", "training.lora={rank: 1}"], "leave freeze out"),
        (["training.train_only=[router]", "training.lora={rank: 1}"], "train in full"),
        (["training.lora={alpha: 1}"], "rank"),
    ],
)
def test_wrong_configs(overrides, message):
    with pytest.raises(ValueError, match=message):
        load(*overrides)


@pytest.mark.slow
def test_a_training_with_lora_resumes_exactly(tmp_path):
    config = load("training.epochs=2", "training.lora={rank: 2}", "training.train_only=[head]")
    data = sparse_keras.load_data(config)
    whole = sparse_keras.train(config, data, output=tmp_path / "whole", verbose=0)
    with pytest.raises(Interrupted) as caught:
        callbacks = [BreakAt(2, KeyboardInterrupt, batch=2)]
        sparse_keras.train(config, data, output=tmp_path, verbose=0, callbacks=callbacks)
    resumed = sparse_keras.train(config, data, resume=caught.value.folder, verbose=0)
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert resumed.history == whole.history
    loaded = sparse_keras.load_model(whole.path)
    for one, other in zip(whole.model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert lora_layers(loaded)
