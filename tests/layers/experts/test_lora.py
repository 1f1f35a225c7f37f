"""LoRA of banks and routers: values and gradients against NumPy, merging, and files."""

import keras
import numpy as np
import pytest
from keras import ops

import sparse_keras
from sparse_keras.layers import (
    CosineRouter,
    DenseExperts,
    DSelectKRouter,
    GLUExperts,
    GroupedDense,
    HashRouter,
    HierarchicalRouter,
    LayerExperts,
    LowRankExperts,
    MixtureOfExperts,
    MLPExperts,
    TiedExperts,
    TopKRouter,
)
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.reference import grouped_matmul, grouped_matmul_gradients

# An empty expert, one with one row, and a row of no expert.
SIZES = np.array([0, 3, 1], "int32")
BANKS = {
    "glu": lambda: GLUExperts(3, hidden_dim=6, use_bias=True),
    "mlp": lambda: MLPExperts(3, hidden_dim=6),
    "dense": lambda: DenseExperts(3, units=5),
    "low_rank": lambda: LowRankExperts(3, rank=2),
    "tied": lambda: TiedExperts(3, units=5),
}


def rows(count=5, width=4, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype("float32")


def with_updates(layer, seed=1):
    """Gives random values to the matrices of LoRA, B included."""
    draw = np.random.default_rng(seed)
    for v in layer.weights:
        if "lora" in v.name:
            v.assign(draw.normal(size=v.shape, scale=0.5).astype("float32"))
    return layer


@pytest.mark.parametrize("make", BANKS.values(), ids=BANKS)
def test_a_bank_starts_where_it_was_and_merges(make):
    bank, x = make(), rows()
    before = to_numpy(bank(x, SIZES))[:4]
    weights = [v.name for v in bank.weights]
    bank.enable_lora(2, lora_alpha=3)
    assert bank.lora_enabled
    np.testing.assert_array_equal(to_numpy(bank(x, SIZES))[:4], before)
    with_updates(bank)
    tuned = to_numpy(bank(x, SIZES))[:4]
    assert np.abs(tuned - before).max() > 0.1
    with pytest.raises(ValueError, match="already enabled"):
        bank.enable_lora(2)
    bank.merge_lora()
    np.testing.assert_allclose(to_numpy(bank(x, SIZES))[:4], tuned, rtol=1e-5, atol=1e-5)
    assert [v.name for v in bank.weights] == weights
    assert len(bank.trainable_weights) == len(weights)
    with pytest.raises(ValueError, match="not enabled"):
        bank.merge_lora()
    bank.enable_lora(1)


@pytest.mark.parametrize(
    "sizes, num_rows",
    [([0, 3, 1], 5), ([0, 0, 1], 1), ([0, 0, 0], 2), ([4], 4)],
    ids=["empty expert and padding", "one token", "no row", "one expert"],
)
def test_against_a_loop(sizes, num_rows):
    sizes, x = np.array(sizes, "int32"), rows(num_rows)
    layer = GroupedDense(len(sizes), units=3)
    layer(x, sizes)
    layer.enable_lora(2, lora_alpha=3)
    with_updates(layer)
    kernel, a, b = map(to_numpy, (layer.kernel, layer.lora_kernel_a, layer.lora_kernel_b))
    kept = int(sizes.sum())
    weight = np.random.default_rng(2).normal(size=(num_rows, 3)).astype("float32")
    weight[kept:] = 0
    low = grouped_matmul(x, a, sizes)
    expected = grouped_matmul(x, kernel, sizes) + 1.5 * grouped_matmul(low, b, sizes)
    np.testing.assert_allclose(to_numpy(layer(x, sizes))[:kept], expected[:kept], atol=1e-5)

    upstream = ops.convert_to_tensor(weight)

    def loss(y):
        return ops.sum(ops.where(upstream == 0, 0.0, y) * upstream)

    dx, found = layer_gradients(layer, x, loss, group_sizes=sizes)
    d_low, db = grouped_matmul_gradients(low, b, sizes, 1.5 * weight)
    d_low[kept:] = 0
    dx_of_update, da = grouped_matmul_gradients(x, a, sizes, d_low)
    dx_of_kernel, _ = grouped_matmul_gradients(x, kernel, sizes, weight)
    np.testing.assert_allclose(dx, dx_of_update + dx_of_kernel, atol=1e-4)
    assert sorted(found) == ["bias", "lora_kernel_a", "lora_kernel_b"]  # And not the kernel.
    np.testing.assert_allclose(found["lora_kernel_a"], da, atol=1e-4)
    np.testing.assert_allclose(found["lora_kernel_b"], db, atol=1e-4)


def test_each_expert_draws_its_own_matrix():
    bank = DenseExperts(3, units=4)
    bank.build((None, 6))
    bank.enable_lora(2, a_initializer=keras.initializers.HeUniform(seed=1))
    a = to_numpy(bank.dense.lora_kernel_a)
    assert all(np.abs(a[0] - a[e]).max() > 0.1 for e in (1, 2))
    assert np.abs(a).max() <= 1.0  # sqrt(6 / 6): the fan is one expert's.
    assert np.abs(a).max() > 0.7


@pytest.mark.parametrize(
    "router",
    [
        TopKRouter(k=2),
        TopKRouter(k=2, use_bias=True),
        CosineRouter(k=2),
        DSelectKRouter(k=2),
    ],
    ids=lambda router: type(router).__name__,
)
def test_routers(router):
    router.set_num_experts(4)
    x = rows(7)
    before = to_numpy(router(x)["scores"])
    router.enable_lora(2)
    np.testing.assert_array_equal(to_numpy(router(x)["scores"]), before)
    trained = [v.name for v in router.trainable_weights]
    assert "router_lora_kernel_a" in trained
    assert "router_kernel" not in trained
    with_updates(router)
    tuned = to_numpy(router(x)["logits"])
    router.merge_lora()
    np.testing.assert_allclose(to_numpy(router(x)["logits"]), tuned, atol=1e-4)


@pytest.mark.parametrize(
    "layer, shape, message",
    [
        (HashRouter(vocabulary_size=9, num_experts=3), (None, 4), "it has no matrix"),
        (HierarchicalRouter(num_groups=2, num_experts=4), (None, 4), "not a product"),
        (LayerExperts(keras.layers.Dense(3), 2), (None, 4), "its template"),
    ],
    ids=["hash", "hierarchical", "template"],
)
def test_layers_that_do_not_support_it(layer, shape, message):
    layer.build(shape)
    with pytest.raises(NotImplementedError, match=message):
        layer.enable_lora(2)


def test_wrong_arguments():
    bank = DenseExperts(2, units=3)
    with pytest.raises(ValueError, match="Build .* before `enable_lora`"):
        bank.enable_lora(2)
    bank.build((None, 4))
    with pytest.raises(ValueError, match="`rank` must be a positive integer"):
        bank.enable_lora(0)
    with pytest.raises(ValueError, match="`lora_alpha` must be None or a positive"):
        bank.enable_lora(1, lora_alpha=0)
    bank = DenseExperts(2, units=3, kernel_constraint="non_neg")
    bank.build((None, 4))
    with pytest.raises(ValueError, match="kernel_constraint"):
        bank.enable_lora(1)


def mixture_model(bank=None):
    bank = bank or GLUExperts(4, hidden_dim=6)
    return keras.Sequential([keras.Input((4,)), MixtureOfExperts(bank, k=2)])


@pytest.mark.parametrize("make", BANKS.values(), ids=BANKS)
def test_a_saved_model_keeps_its_updates(make, tmp_path):
    model, x = mixture_model(make()), rows(6)
    sparse_keras.enable_lora(model, 2, lora_alpha=5)
    with_updates(model)
    expected = to_numpy(model(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(x)), expected, atol=1e-6)
    trained = [v.name for v in model.trainable_variables]
    assert [v.name for v in loaded.trainable_variables] == trained
    sparse_keras.merge_lora(loaded)
    np.testing.assert_allclose(to_numpy(loaded(x)), expected, rtol=1e-4, atol=1e-4)


def test_files_of_weights_go_both_ways(tmp_path):
    plain, tuned, x = mixture_model(), mixture_model(), rows(6)
    sparse_keras.enable_lora(tuned, 2)
    with_updates(tuned)
    expected = to_numpy(tuned(x))
    plain.save_weights(tmp_path / "plain.weights.h5")
    tuned.save_weights(tmp_path / "tuned.weights.h5")
    # A model without LoRA gets the merged kernels,
    before = to_numpy(plain(x))
    plain.load_weights(tmp_path / "tuned.weights.h5")
    np.testing.assert_allclose(to_numpy(plain(x)), expected, atol=1e-5)
    # and one with LoRA no update.
    tuned.load_weights(tmp_path / "plain.weights.h5")
    np.testing.assert_allclose(to_numpy(tuned(x)), before, atol=1e-6)
    assert all(np.abs(to_numpy(v)).max() > 0 for v in tuned.weights if "lora_kernel_a" in v.name)


def test_a_file_of_another_rank(tmp_path):
    one, other = mixture_model(), mixture_model()
    sparse_keras.enable_lora(one, 2)
    sparse_keras.enable_lora(other, 3)
    one.save_weights(tmp_path / "one.weights.h5")
    with pytest.raises(ValueError, match="LoRA of rank 3"):
        other.load_weights(tmp_path / "one.weights.h5")


def test_mixed_precision():
    bank, x = GLUExperts(3, hidden_dim=6, dtype="mixed_bfloat16"), rows()
    bank(x, SIZES)
    bank.enable_lora(2)
    with_updates(bank)
    outputs = bank(x, SIZES)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert {v.dtype for v in bank.trainable_weights} == {"float32"}
    tuned = to_numpy(outputs)[:4]
    bank.merge_lora()
    np.testing.assert_allclose(to_numpy(bank(x, SIZES))[:4], tuned, rtol=0.1, atol=0.1)
