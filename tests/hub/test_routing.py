"""The routing of sparsified models: seen by callbacks, inspection and recordings, and balanced."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras import hub
from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers.mixtures.gated_layer import gated_layers
from sparse_keras.routing import record, replay
from tests.support.gradients import to_numpy

keras_hub = pytest.importorskip("keras_hub")

from tests.support.keras_hub_models import (  # noqa: E402
    BACKBONES,
    backbone,
    causal_lm,
    inputs,
    text_task,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # Of KerasHub on new versions of Keras.
FAMILIES = list(BACKBONES)
ROOT = pathlib.Path(__file__).resolve().parents[2]
REPLICAS = """
import keras
import numpy as np
import tensorflow as tf

from sparse_keras import hub
from sparse_keras.callbacks import ExpertLoad
from sparse_keras.layers.mixtures.gated_layer import gated_layers
from tests.support.keras_hub_models import backbone, inputs

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
x = inputs("Qwen3-MoE", batch=4)
target = np.zeros((4, 7, 16), "float32")
found = []
for strategy in (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), tf.distribute.get_strategy()):
    with strategy.scope():
        model = backbone("Qwen3-MoE")
        model.compile(keras.optimizers.SGD(0.0), "mse")
    hub.sparsify(model, balance_loss=0.01, bias_update_rate=0.5)
    load = ExpertLoad(warn=False)
    history = model.fit(x, target, batch_size=4, verbose=0, callbacks=[load]).history
    block = gated_layers(model)[0]
    bias = np.array(block.selection_bias.bias)
    found.append((block.routing_statistics()["assigned"], bias, history["loss"][0]))
(assigned, bias, loss), (one_assigned, one_bias, one_loss) = found
assert assigned == one_assigned == 2 * x["padding_mask"].sum(), found
np.testing.assert_allclose(bias, one_bias)
np.testing.assert_allclose(loss, one_loss, rtol=0.02)  # The balance loss is that of a replica.
"""
EAGER = keras.backend.backend() == "tensorflow"  # Tracing takes most of the time.


def forward(model, x):
    first, *_ = keras.tree.flatten(model(x))
    return to_numpy(keras.ops.cast(first, "float32"))


def fit(model, x, rate=0.0, **kwargs):
    """An epoch of one step."""
    first, *_ = keras.tree.flatten(model(x))
    model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=EAGER)
    weight = x["padding_mask"].astype("float32")
    return model.fit(
        x, np.zeros(first.shape, "float32"), sample_weight=weight, verbose=0, **kwargs
    ).history


@pytest.mark.parametrize("family", FAMILIES)
def test_record_expert_load_and_inspect_count_the_same(family):
    """Each token that is not padding goes to two experts, and padding to none."""
    x, model = inputs(family), hub.sparsify(backbone(family))
    weights = [weight.path for weight in model.weights]
    with record(model) as recording:
        expected = forward(model, x)
    assert len(recording.gates) == 2
    mask = x["padding_mask"].astype(bool)
    loads = []
    for gate in recording.gates:
        (call,) = gate.calls
        assert call["expert_index"].shape == (mask.size, 2)
        np.testing.assert_array_equal(call["is_open"], np.repeat(mask.reshape(-1, 1), 2, axis=1))
        chosen = call["weight"][mask.reshape(-1)]
        if family != "Qwen-MoE":  # Which does not normalize the weights.
            np.testing.assert_allclose(chosen.sum(axis=1), 1.0, rtol=1e-5)
        loads.append(np.bincount(call["expert_index"][call["is_open"]], minlength=6))
    with replay(model, recording):
        np.testing.assert_allclose(forward(model, x)[mask], expected[mask], rtol=0, atol=1e-5)

    inspection = sparse_keras.inspect(model, x)
    assert [gate.tokens for gate in inspection.gates] == [mask.sum()] * 2

    history = fit(model, x, callbacks=[ExpertLoad(per_layer=True, warn=False)])
    for layer, load, gate in zip(gated_layers(model), loads, inspection.gates, strict=True):
        statistics = layer.routing_statistics()
        np.testing.assert_allclose(statistics["load"], load / load.sum(), rtol=1e-6)
        np.testing.assert_allclose(gate.load, load / load.sum(), rtol=1e-6)
        assert statistics["assigned"] == 2 * mask.sum()
        assert f"{layer.path}/load_violation" in history
    has_loss = family not in ("GPT-OSS", "Gemma 4")
    assert (history["aux_loss"][0] > 0) == has_loss
    assert len(model.weights) == len(weights) + 2
    hub.densify(model)
    assert [weight.path for weight in model.weights] == weights


@pytest.mark.parametrize("family", ["GPT-OSS", "Qwen3-MoE"])
def test_a_training_that_was_compiled_before_begins_to_count(family):
    """In a compiled step, which the second `fit` makes anew."""
    x, model = inputs(family), hub.sparsify(backbone(family))
    first, *_ = keras.tree.flatten(model(x))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    target = np.zeros(first.shape, "float32")
    model.fit(x, target, verbose=0)
    with pytest.raises(ValueError, match="does not count what it routes yet. Fit the model with"):
        gated_layers(model)[0].routing_statistics()
    for _ in range(2):
        model.fit(
            x, target, verbose=0, callbacks=[ExpertLoad(warn=False)], validation_data=(x, target)
        )
    assigned = 2 * x["padding_mask"].sum()
    for layer in gated_layers(model):
        assert layer.routing_statistics()["assigned"] == assigned


def test_a_second_task_of_the_same_backbone_counts():
    """Its training step was compiled before the layers began to count."""
    x, shared = inputs("Mixtral"), hub.sparsify(backbone("Mixtral"))
    target = np.zeros(x["token_ids"].shape, "int32")
    tasks = [causal_lm("Mixtral", shared) for _ in range(2)]
    for task in tasks:
        task.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    tasks[1].fit(x, target, verbose=0)
    for task in tasks:
        history = task.fit(x, target, verbose=0, callbacks=[ExpertLoad(warn=False)]).history
        assert np.isfinite(history["load_violation"]).all()


def test_names_and_places_of_what_is_added():
    """Layers keep their places, by which KerasHub finds those with LoRA in a file."""
    x, model = inputs("Gemma 4"), hub.sparsify(backbone("Gemma 4"), bias_update_rate=0.1)
    layers = len(model._flatten_layers())
    fit(model, x, callbacks=[ExpertLoad(warn=False)])
    assert len(model._flatten_layers()) == layers
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths)
    added = [path for path in paths if "statistics" in path or "selection_bias" in path]
    assert len(added) == 6 and all("moe_expert_bank" in path for path in added)
    model.get_state_tree()


def test_lora_weights_of_a_model_that_counts(tmp_path):
    """They go both ways between sparse and plain models."""
    x = inputs("Qwen3-MoE")
    models = [hub.sparsify(backbone("Qwen3-MoE")), backbone("Qwen3-MoE")]
    for model in models:
        model.enable_lora(2)
    sparse, plain = models
    fit(sparse, x, rate=1.0, callbacks=[ExpertLoad(warn=False)])
    expected = forward(sparse, x)
    assert np.abs(expected - forward(plain, x)).max() > 1e-4
    sparse.save_lora_weights(str(tmp_path / "sparse.lora.h5"))
    plain.load_lora_weights(str(tmp_path / "sparse.lora.h5"))
    mask = x["padding_mask"].astype(bool)
    np.testing.assert_allclose(forward(plain, x)[mask], expected[mask], atol=1e-5)
    plain.save_lora_weights(str(tmp_path / "plain.lora.h5"))
    sparse.load_lora_weights(str(tmp_path / "plain.lora.h5"))
    np.testing.assert_allclose(forward(sparse, x)[mask], expected[mask], atol=1e-5)


def test_experts_that_only_the_bias_selects():
    """Their scores round to 0; the weights must not become 0 / 0."""
    x, model = inputs("Qwen3-MoE"), hub.sparsify(backbone("Qwen3-MoE"), bias_update_rate=0.1)
    block = gated_layers(model)[0]
    block.selection_bias.bias.assign([9.0, 9.0, 0.0, 0.0, 0.0, 0.0])
    kernel = block._sparse_feedforward_gate_dense.kernel
    kernel.assign(0 * kernel)
    logits = np.array([[-300.0, -300.0, 0.0, 0.0, 0.0, 0.0]], "float32")
    weight, index = block.select(keras.ops.softmax(logits))
    assert sorted(to_numpy(index)[0]) == [0, 1]
    assert np.isfinite(to_numpy(block.normalized(weight))).all()
    assert np.isfinite(forward(model, x)).all()


@pytest.mark.tensorflow
def test_two_replicas_count_and_balance_together():
    """In a process of its own: the number of devices is fixed at the start."""
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_replay_sends_tokens_elsewhere():
    x, model = inputs("Mixtral"), hub.sparsify(backbone("Mixtral"))
    with record(model) as recording:
        before = forward(model, x)
    for gate in recording.gates:
        gate.calls[0]["expert_index"][:] = (gate.calls[0]["expert_index"] + 1) % 6
    with replay(model, recording):
        assert np.abs(forward(model, x) - before).max() > 1e-3


@pytest.mark.parametrize("family", ["Qwen3-MoE", "Gemma 4"])
def test_our_balance_loss_leaves_padding_out(family):
    x, model = inputs(family), hub.sparsify(backbone(family), balance_loss=0.1)
    mask = x["padding_mask"].astype(bool).reshape(-1)
    routings = []
    with sparse_keras.layers.mixtures.routing_hooks.hooked(
        lambda layer, gate, routing, mask, training: routings.append(routing)
    ):
        forward(model, x)
    expected = 0.0
    for routing in routings:
        scores = to_numpy(routing["scores"])[mask]
        index = to_numpy(routing["expert_index"])[mask].astype("int64")
        share = np.bincount(index.reshape(-1), minlength=6) / index.size
        expected += 0.1 * 6 * (share * scores.mean(axis=0)).sum()
    history = fit(model, x, callbacks=[ExpertLoad()])
    assert history["aux_loss"][0] == pytest.approx(expected, rel=1e-4)
    assert history["loss"][0] == pytest.approx(history["task_loss"][0] + expected, rel=1e-4)


@pytest.mark.parametrize("family", ["Qwen3-MoE", "GPT-OSS"])
def test_a_selection_bias_balances_without_a_loss(family, tmp_path):
    x, model = inputs(family, batch=8), hub.sparsify(backbone(family), bias_update_rate=0.5)
    assert not any(layer.gates["router"].balance_loss for layer in gated_layers(model))
    before = forward(model, x)
    with record(model) as recording:
        forward(model, x)
    call = recording.gates[0].calls[0]
    load = np.bincount(call["expert_index"][call["is_open"]], minlength=6)
    fit(model, x)
    first = gated_layers(model)[0]
    bias = to_numpy(first.selection_bias.bias)
    np.testing.assert_allclose(bias, 0.5 * np.sign(load.mean() - load), atol=1e-6)
    after = forward(model, x)
    assert np.abs(after - before).max() > 1e-3

    model.save_weights(tmp_path / "w.weights.h5")
    again = hub.sparsify(backbone(family, seed=1), bias_update_rate=0.5)
    again.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_allclose(forward(again, x), after, atol=1e-5)
    plain = backbone(family, seed=1)
    plain.load_weights(tmp_path / "w.weights.h5")  # Selects without the bias.
    plain.save_weights(tmp_path / "plain.weights.h5")
    again.load_weights(tmp_path / "plain.weights.h5")
    mask = x["padding_mask"].astype(bool)
    np.testing.assert_allclose(forward(plain, x)[mask], before[mask], atol=1e-5)
    np.testing.assert_allclose(forward(again, x)[mask], before[mask], atol=1e-5)


def test_what_cannot_balance():
    model = backbone("Mixtral")
    with pytest.raises(ValueError, match="`balance_loss` must be None or a number of at least 0"):
        hub.sparsify(model, balance_loss=-1.0)
    for wrong in (-0.1, "0.1", True, float("nan"), [1.0]):
        with pytest.raises(ValueError, match="`bias_update_rate` must be None or a number of"):
            hub.sparsify(model, bias_update_rate=wrong)
    assert not hub.is_sparse(model)


def test_experts_seen_while_a_model_generates():
    model = hub.sparsify(causal_lm("Qwen3-MoE"))
    mask = np.arange(6) < 3
    prompt = {
        "token_ids": np.where(mask, 5, 0)[None].astype("int32"),
        "padding_mask": mask[None].astype("int32"),
    }
    expected = to_numpy(model.generate(prompt, stop_token_ids=None)["token_ids"])
    compiled = model.generate_function
    with record(model) as recording:
        found = to_numpy(model.generate(prompt, stop_token_ids=None)["token_ids"])
    np.testing.assert_array_equal(found, expected)
    assert model.generate_function is compiled
    tokens = [len(call["weight"]) for call in recording.gates[0].calls]
    assert tokens[0] == 6 and set(tokens[1:]) == {1} and len(tokens) >= 3


def test_inspect_takes_the_strings_of_a_task():
    model = hub.sparsify(text_task())
    texts = ["the sparse thing", "then the other"]
    inspection = sparse_keras.inspect(model, texts, labels=["a", "b"])
    encoded = model.preprocessor(texts)[0]
    tokens = int(np.sum(to_numpy(encoded["padding_mask"])))
    assert [gate.tokens for gate in inspection.gates] == [tokens] * 2
    assert inspection[0].labels == ["a", "b"]
