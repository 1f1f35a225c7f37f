"""LoRA over whole models, and adapter files."""

import keras
import numpy as np
import pytest

import sparse_keras
from sparse_keras.layers import (
    FeedForward,
    GatedSharedExpert,
    GLUExperts,
    HierarchicalRouter,
    MixtureOfExperts,
)
from sparse_keras.models import causal_lm
from sparse_keras.tuning import roles_of

IDS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], "int32")


def language_model(**arguments):
    options = {
        "vocabulary_size": 11,
        "depth": 2,
        "width": 8,
        "num_heads": 2,
        "experts": {"type": "glu", "num_experts": 4, "hidden_dim": 6},
        "router": {"type": "top_k", "k": 2},
    }
    return causal_lm(**(options | arguments))


def tabular_model(router=None):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(6, activation="relu", name="trunk")(inputs)
    shared = GatedSharedExpert(keras.layers.Dense(6))
    x = MixtureOfExperts(
        GLUExperts(4, hidden_dim=5), router=router, shared_expert=shared, name="mixture"
    )(x)
    x = keras.layers.LayerNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="output")(x))


def numbers(model):
    return {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}


def fit(model, epochs=1):
    if not model.compiled:
        model.compile("adam", "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model.fit(x, x[:, :1], epochs=epochs, verbose=0, batch_size=8)


def randomize(model, seed=0):
    draw = np.random.default_rng(seed)
    for v in model.weights:
        if "lora" in v.name:
            v.assign(draw.normal(size=v.shape))


def test_only_the_updates_train():
    model = tabular_model()
    sparse_keras.enable_lora(model, 2)
    before = numbers(model)
    fit(model)
    after = numbers(model)
    moved = {path for path in after if np.any(after[path] != before[path])}
    updates = {v.path for v in model.trainable_variables}
    assert moved - updates <= {path for path in after if "statistics" in path}
    # After one step only B has moved: while B is zero, A has no gradient.
    assert {path for path in updates if path.endswith("lora_kernel_b")} <= moved
    assert all("lora_kernel" in path for path in updates)
    # Three matrices of the bank, the router, the shared expert: two matrices each.
    assert len(updates) == 10


def test_what_trains_in_full_beside_them():
    model = tabular_model()
    sparse_keras.enable_lora(model, 2, roles=["experts"], train=["head", "normalization"])
    names = {v.path for v in model.trainable_variables if "lora" not in v.path}
    assert names == {"norm/gamma", "norm/beta", "output/kernel", "output/bias"}


def test_a_compiled_model_goes_on():
    model = tabular_model()
    model.compile(keras.optimizers.Adam(0.05), "mse")
    fit(model)
    x = np.ones((2, 4), "float32")
    before = model.predict(x, verbose=0)
    sparse_keras.enable_lora(model, 2)
    frozen = [v for v in model.weights if "lora" not in v.name and "statistics" not in v.path]
    values = [keras.ops.convert_to_numpy(v) for v in frozen]
    fit(model, epochs=3)
    for variable, value in zip(frozen, values, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    tuned = model.predict(x, verbose=0)
    assert np.abs(tuned - before).max() > 1e-3
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    sparse_keras.merge_lora(model)
    assert not any("lora" in v.name for v in model.weights)
    np.testing.assert_allclose(model(x), tuned, atol=1e-5)


def test_a_language_model_generates_with_its_updates(tmp_path):
    model = language_model()
    model.generate(IDS[0].tolist(), max_new_tokens=1)
    before = model(IDS)
    sparse_keras.enable_lora(model, 2, lora_alpha=4)
    np.testing.assert_array_equal(model(IDS), before)
    randomize(model)
    logits = model(IDS)
    greedy = int(np.argmax(logits[0, -1]))
    assert model.generate(IDS[0].tolist(), max_new_tokens=1) == [greedy]

    sparse_keras.save_lora(model, tmp_path / "adapter.h5")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(IDS), logits, atol=1e-5)
    sparse_keras.merge_lora(model)
    np.testing.assert_allclose(model(IDS), logits, atol=1e-5)
    assert not any("lora" in v.name for v in model.weights)


@pytest.mark.parametrize("enabled", [False, True], ids=["plain", "with LoRA"])
def test_an_adapter_file(tmp_path, enabled):
    model, other = language_model(), language_model()  # The names of layers differ.
    other.set_weights(model.get_weights())
    sparse_keras.enable_lora(model, 2, lora_alpha=4)
    randomize(model)
    sparse_keras.save_lora(model, tmp_path / "adapter.h5")
    assert (tmp_path / "adapter.h5").stat().st_size < 400_000
    if enabled:
        sparse_keras.enable_lora(other, 2)
    sparse_keras.load_lora(other, tmp_path / "adapter.h5")
    np.testing.assert_allclose(other(IDS), model(IDS), atol=1e-6)


def test_adapters_that_do_not_fit(tmp_path):
    model = language_model()
    with pytest.raises(ValueError, match="nothing to save"):
        sparse_keras.save_lora(model, tmp_path / "adapter.h5")
    sparse_keras.enable_lora(model, 2)
    sparse_keras.save_lora(model, tmp_path / "adapter.h5")

    def refused(other, message, path="adapter.h5"):
        before = [v.path for v in other.trainable_variables]
        with pytest.raises(ValueError, match=message):
            sparse_keras.load_lora(other, tmp_path / path)
        assert [v.path for v in other.trainable_variables] == before

    refused(language_model(depth=1), "no layers 'block_1/attention")
    wider = {"type": "glu", "num_experts": 4, "hidden_dim": 7}
    refused(language_model(experts=wider), r"shapes \(\(4, 8, 2\), \(4, 2, 7\)\), the file has")
    other = language_model()
    sparse_keras.enable_lora(other, 3)
    refused(other, "has rank 3, the file rank 2")
    other = language_model()
    sparse_keras.enable_lora(other, 2, roles=["experts", "router", "attention", "embeddings"])
    refused(other, "layers that the file lacks, 'token_embedding'")
    refused(model, "There is no adapter file", "other.h5")
    (tmp_path / "text.h5").write_text("no adapter")
    refused(model, "is no adapter file", "text.h5")
    model.save_weights(tmp_path / "model.weights.h5")
    refused(model, "not written by `save_lora`", "model.weights.h5")


def test_wrong_arguments():
    model = tabular_model()
    trainable = [v.path for v in model.trainable_variables]
    with pytest.raises(ValueError, match="not built yet"):
        sparse_keras.enable_lora(keras.Sequential([keras.layers.Dense(2)]), 2)
    with pytest.raises(ValueError, match="names 'attention', but the model has no .* It has exp"):
        sparse_keras.enable_lora(model, 2, roles=["attention"])
    with pytest.raises(ValueError, match="unknown role: 'expert'. Did you mean 'experts'"):
        sparse_keras.enable_lora(model, 2, roles=["expert"])
    with pytest.raises(ValueError, match="`roles` must be a list of roles"):
        sparse_keras.enable_lora(model, 2, roles="experts")
    with pytest.raises(ValueError, match="in `roles` and in `train`: router"):
        sparse_keras.enable_lora(model, 2, roles=["router"], train=["router"])
    with pytest.raises(NotImplementedError, match="not supported by 'norm'"):
        sparse_keras.enable_lora(model, 2, roles=["normalization"])
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="has layers with the roles head, other"):
        sparse_keras.enable_lora(dense, 2)
    with pytest.raises(ValueError, match="No layer of .* has LoRA"):
        sparse_keras.merge_lora(model)
    with pytest.raises(ValueError, match="`rank` must be a positive integer"):
        sparse_keras.enable_lora(model, 0)
    with pytest.raises(ValueError, match="`lora_alpha` must be None or a positive number"):
        sparse_keras.enable_lora(model, 2, lora_alpha=-1)
    model.get_layer("trunk").kernel_constraint = keras.constraints.NonNeg()
    with pytest.raises(ValueError, match="constraints in 'trunk'"):
        sparse_keras.enable_lora(model, 2, roles=["experts", "other"])
    assert [v.path for v in model.trainable_variables] == trainable
    sparse_keras.enable_lora(model, 2)
    with pytest.raises(ValueError, match="already enabled in"):
        sparse_keras.enable_lora(model, 2)


def test_a_router_that_does_not_support_it_is_frozen():
    model = tabular_model(HierarchicalRouter(num_groups=2))
    with pytest.warns(UserWarning, match="not supported by .*hierarchical_router"):
        sparse_keras.enable_lora(model, 2)
    assert all("lora" in v.name for v in model.trainable_variables)


def test_quantized_layers_of_keras_merge_too():
    layer = keras.layers.Dense(4)
    model = keras.Sequential([keras.Input((6,)), layer])
    model.quantize("int8")
    sparse_keras.enable_lora(model, 2, roles=["head"])
    randomize(model)
    x = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    tuned = model(x)
    sparse_keras.merge_lora(model)
    assert not layer.lora_enabled
    np.testing.assert_allclose(model(x), tuned, atol=0.1)


def test_roles():
    model = tabular_model()
    found = {
        role: [part.layer.name.rstrip("_0123456789") for part in parts]
        for role, parts in roles_of(model).items()
    }
    assert found == {
        "experts": ["glu_experts", "gated_shared_expert"],
        "router": ["top_k_router"],
        "normalization": ["norm"],
        "head": ["output"],
        "other": ["trunk"],
    }
    parts = [part for parts in roles_of(model).values() for part in parts]
    variables = [v.path for part in parts for v in part.variables]
    assert sorted(variables) == sorted(v.path for v in model.trainable_variables)
    dense = language_model(dense_layers=1, hidden_dim=4, learned_positions=True, context_length=9)
    assert [*roles_of(dense)] == [
        "experts",
        "router",
        "attention",
        "feed_forward",
        "embeddings",
        "normalization",
    ]
    assert isinstance(roles_of(dense)["feed_forward"][0].layer, FeedForward)


@pytest.mark.parametrize("options", [{"rank": 0}, {"rank": 1.5}, {"rank": 2, "lora_alpha": -1}])
def test_nothing_is_frozen_by_arguments_that_are_wrong(options):
    model = tabular_model()
    before = [v.path for v in model.trainable_variables]
    with pytest.raises(ValueError, match=r"`rank`|`lora_alpha`"):
        sparse_keras.enable_lora(model, roles=["other"], **options)
    assert [v.path for v in model.trainable_variables] == before


def test_freezing_step_by_step_leaves_something_to_train():
    model = tabular_model()
    *first, last = roles_of(model)
    sparse_keras.freeze(model, first)
    with pytest.raises(ValueError, match="Nothing would be left"):
        sparse_keras.freeze(model, [last])
    assert model.trainable_variables
