"""sparsify: KerasHub's models compute the same from the same variables, by fewer operations.

The models are KerasHub's own, small ones; they are the oracle.
"""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from sparse_keras import hub
from tests.support.gradients import to_numpy

keras_hub = pytest.importorskip("keras_hub")

from tests.support.keras_hub_models import BACKBONES, backbone, causal_lm, inputs  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Of KerasHub on new versions of Keras.
FAMILIES = list(BACKBONES)


def outputs(model, x):
    """The outputs at tokens that are not padding, `[tokens, width]`."""
    first, *_ = keras.tree.flatten(model(x))
    return to_numpy(keras.ops.cast(first, "float32"))[x["padding_mask"].astype(bool)]


def step(model, x):
    """The loss of a training step, and by how much it moved each weight: the gradients."""
    before = [to_numpy(weight) for weight in model.trainable_weights]
    eager = keras.backend.backend() == "tensorflow"  # Tracing takes most of the time.
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=eager)
    first, *_ = keras.tree.flatten(model(x))
    target = np.random.default_rng(1).normal(size=first.shape)
    loss = model.train_on_batch(x, target, sample_weight=x["padding_mask"].astype("float32"))
    weights = zip(before, model.trainable_weights, strict=True)
    return float(loss), {weight.path: array - to_numpy(weight) for array, weight in weights}


@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_and_gradients_are_those_of_keras_hub(family):
    x = inputs(family)
    dense, sparse = backbone(family), hub.sparsify(backbone(family))
    np.testing.assert_allclose(outputs(sparse, x), outputs(dense, x), rtol=0, atol=1e-5)
    loss, gradients = step(sparse, x)
    expected_loss, expected = step(dense, x)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert len(gradients) == len(expected)
    for (path, gradient), wanted in zip(gradients.items(), expected.values(), strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-4, err_msg=path)
    moved = [path for path, gradient in gradients.items() if np.any(gradient)]
    assert sum("expert" in path or "moe" in path for path in moved) >= 4


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_text_is_that_of_keras_hub(family):
    model = causal_lm(family)
    prompts = {
        "token_ids": np.array([[5, 9, 2, *[0] * 9], [7, 3, 8, *[0] * 9]], "int32"),
        "padding_mask": np.array([[1, 1, 1, *[0] * 9]] * 2, "int32"),
    }
    expected = to_numpy(model.generate(prompts, stop_token_ids=None)["token_ids"])
    hub.sparsify(model)  # What was compiled before must not be used any more.
    assert model.generate_function is None
    found = to_numpy(model.generate(prompts, stop_token_ids=None)["token_ids"])
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found[:, 3:])) > 2


@pytest.mark.parametrize("family", FAMILIES)
def test_files_go_both_ways(family, tmp_path):
    x = inputs(family)
    sparse, plain = hub.sparsify(backbone(family)), backbone(family, seed=1)
    expected = outputs(sparse, x)
    sparse.save_weights(tmp_path / "sparse.weights.h5")
    plain.load_weights(tmp_path / "sparse.weights.h5")
    np.testing.assert_allclose(outputs(plain, x), expected, rtol=0, atol=1e-5)
    plain.save_weights(tmp_path / "plain.weights.h5")
    other = hub.sparsify(backbone(family, seed=2))
    other.load_weights(tmp_path / "plain.weights.h5")
    np.testing.assert_allclose(outputs(other, x), expected, rtol=0, atol=1e-5)

    sparse.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not hub.is_sparse(loaded)
    np.testing.assert_allclose(outputs(loaded, x), expected, rtol=0, atol=1e-5)

    sparse.save_to_preset(str(tmp_path / "preset"))
    loaded = type(plain).from_preset(str(tmp_path / "preset"))
    np.testing.assert_allclose(outputs(hub.sparsify(loaded), x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_bfloat16_it_is_as_close_as_keras_hub(family):
    """To the outputs in float32 of the same weights."""
    x = inputs(family)
    expected = outputs(backbone(family), x)
    dense = backbone(family, dtype="mixed_bfloat16")
    error = np.abs(outputs(dense, x) - expected).mean()
    assert np.abs(outputs(hub.sparsify(dense), x) - expected).mean() < 1.2 * error


def test_nothing_but_the_class_of_a_block_changes():
    model = backbone("Qwen3-MoE")
    variables = [id(variable) for variable in model.variables]
    classes = [type(layer) for layer in model._flatten_layers()]
    assert not hub.is_sparse(model)
    assert hub.sparsify(model) is model and hub.is_sparse(model)
    assert [id(variable) for variable in model.variables] == variables
    again = [type(layer) for layer in hub.sparsify(model)._flatten_layers()]
    changed = [(a, b) for a, b in zip(again, classes, strict=True) if a is not b]
    assert len(changed) == 4  # The decoder and its block, in each of two layers.
    assert all(issubclass(a, b) and a.__name__ == b.__name__ for a, b in changed)
    assert [type(layer) for layer in hub.densify(model)._flatten_layers()] == classes
    assert hub.densify(model) is model


def test_a_block_inside_another_model():
    inner = backbone("Mixtral")
    x = inputs("Mixtral")
    tensors = {name: keras.Input((None,), dtype="int32", name=name) for name in x}
    model = keras.Model(tensors, keras.layers.Dense(2)(inner(tensors)))
    expected = model.predict(x, verbose=0)
    hub.sparsify(model)
    assert hub.is_sparse(inner) and model.predict_function is None
    found = model.predict(x, verbose=0)
    mask = x["padding_mask"].astype(bool)
    np.testing.assert_allclose(found[mask], expected[mask], rtol=0, atol=1e-5)


def test_a_task_of_a_sparsified_backbone():
    """KerasHub calls the backbone symbolically once more."""
    model = causal_lm("Qwen3-MoE", hub.sparsify(backbone("Qwen3-MoE")))
    assert hub.is_sparse(model)
    x = inputs("Qwen3-MoE")
    assert to_numpy(model(x)).shape == (*x["token_ids"].shape, model.backbone.vocabulary_size)


def test_lora_trains_the_rest():
    model = causal_lm("Qwen3-MoE", hub.sparsify(backbone("Qwen3-MoE")))
    model.backbone.enable_lora(2)
    experts = [weight for weight in model.weights if "experts" in weight.path]
    before = [to_numpy(weight) for weight in experts]
    x = inputs("Qwen3-MoE")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    losses = [np.ravel(model.train_on_batch(x, x["token_ids"]))[0] for _ in range(4)]
    assert losses[-1] < losses[0]
    for weight, array in zip(experts, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), array)


def test_what_cannot_be_sparsified(monkeypatch):
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="found no mixture-of-experts block.*Qwen3-MoE"):
        hub.sparsify(dense)
    assert hub.densify(dense) is dense
    for function in (hub.sparsify, hub.densify, hub.is_sparse):
        with pytest.raises(ValueError, match="Expected a model of KerasHub.*of type str"):
            function("qwen3_moe_30b_a3b_en")
    model = backbone("Mixtral")
    monkeypatch.setattr(hub.families.metadata, "version", lambda name: "0.99.1")
    with pytest.raises(ValueError, match="knows the blocks of keras-hub '0.32'. Received: 0.99.1"):
        hub.sparsify(model)
    assert not hub.is_sparse(model)


def test_a_block_of_another_make_is_refused():
    model = backbone("Mixtral")
    (first, *_) = [layer for layer in model._flatten_layers() if "SparseMoe" in str(type(layer))]
    first.__dict__.pop("top_k")
    with pytest.raises(ValueError, match="is not a Mixtral block as keras-hub.*it has no 'top_k'"):
        hub.sparsify(model)
    assert not hub.is_sparse(model)


@pytest.mark.parametrize("family", ["Mixtral", "Gemma 4"])
def test_a_clone_is_a_model_of_keras_hub(family):
    x, model = inputs(family), hub.sparsify(backbone(family))
    clone = keras.models.clone_model(model)
    assert not hub.is_sparse(clone)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(outputs(clone, x), outputs(model, x), rtol=0, atol=1e-5)


REMATERIALIZED = """
import keras
import numpy as np

from sparse_keras import hub
from tests.hub.test_sparsify import step
from tests.support.keras_hub_models import backbone, inputs

x = inputs("GPT-OSS")
with keras.RematScope(mode="full"):
    models = [backbone("GPT-OSS"), hub.sparsify(backbone("GPT-OSS"))]
(loss, gradients), (sparse_loss, found) = [step(model, x) for model in models]
np.testing.assert_allclose(sparse_loss, loss, rtol=1e-5)
for gradient, wanted in zip(found.values(), gradients.values(), strict=True):
    np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-4)
"""


@pytest.mark.torch
def test_rematerialization():
    """On TensorFlow and JAX, KerasHub's own models cannot be trained with it.

    In a process of its own: it leaves Keras in the middle of a call.
    """
    done = subprocess.run(
        [sys.executable, "-c", REMATERIALIZED],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).resolve().parents[2],
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_jitter_is_refused_where_it_crashes():
    x = inputs("Mixtral")
    model = hub.sparsify(backbone("Mixtral", router_jitter_noise=0.1))
    outputs(model, x)
    block = next(layer for layer in model._flatten_layers() if isinstance(layer, hub.SparseBlock))
    with pytest.raises(ValueError, match="router_jitter_noise does not work"):
        block(np.ones((1, 2, 16), "float32"), training=True)
