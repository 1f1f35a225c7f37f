"""Quantized banks: values and gradients against NumPy, bytes, files, and LoRA on top."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from sparse_keras.layers import (
    DenseExperts,
    GLUExperts,
    GroupedDense,
    LowRankExperts,
    MixtureOfExperts,
    MLPExperts,
    TiedExperts,
)
from tests.support.gradients import layer_gradients, to_numpy
from tests.support.quick import slow_but_for
from tests.support.reference import grouped_matmul, grouped_matmul_gradients

# An empty expert, one with one row, and a row of no expert.
SIZES = np.array([0, 3, 1], "int32")
BANKS = {
    "glu": lambda: GLUExperts(3, hidden_dim=7, use_bias=True),
    "mlp": lambda: MLPExperts(3, hidden_dim=6),
    "dense": lambda: DenseExperts(3, units=5),
    "low_rank": lambda: LowRankExperts(3, rank=4),
    "tied": lambda: TiedExperts(3, units=5),
}
PER_CHANNEL = keras.quantizers.Int4QuantizationConfig(block_size=-1)
CONFIGS = {
    "int8": keras.quantizers.Int8QuantizationConfig(),
    "int4": PER_CHANNEL,
    "int4 in blocks": keras.quantizers.Int4QuantizationConfig(block_size=4),
}


def rows(count=5, width=10, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype("float32")


def dequantized_by_keras(kernel, config):
    """Each expert's matrix as Keras's Dense has it after `quantize`."""
    matrices = []
    for matrix in kernel:
        dense = keras.layers.Dense(kernel.shape[2], use_bias=False)
        dense.build((None, kernel.shape[1]))
        dense.kernel.assign(matrix)
        dense.quantize(config=config)
        integers = to_numpy(dense.kernel)
        scale = to_numpy(dense.kernel_scale)
        if scale.ndim == 1:
            matrices.append(integers / scale)
        else:
            block = np.arange(len(integers)) // config.block_size
            matrices.append((integers - to_numpy(dense.kernel_zero)[block]) * scale[block])
    return np.stack(matrices)


ROWS = {
    "empty expert and padding": ([0, 3, 1], 5, 5),
    "one token": ([0, 1, 0], 1, 6),
    "no row": ([0, 0, 0], 2, 4),
    "one expert": ([4], 4, 3),
    "unequal": ([1, 0, 9, 0], 10, 4),
}
# Each way to store numbers, and each number of rows with that of the most steps.
QUICK = [("empty expert and padding", config) for config in CONFIGS]
QUICK += [(rows_of, "int4 in blocks") for rows_of in ("one token", "no row", "one expert")]


@pytest.mark.parametrize("case, config", slow_but_for(QUICK, itertools.product(ROWS, CONFIGS)))
def test_against_a_loop_over_matrices_of_keras(case, config):
    (sizes, num_rows, units), config = ROWS[case], CONFIGS[config]
    sizes, x = np.array(sizes, "int32"), rows(num_rows)
    layer = GroupedDense(len(sizes), units)
    layer.build(x.shape)
    kernel = dequantized_by_keras(to_numpy(layer.kernel), config)
    layer.quantize(config=config)
    np.testing.assert_allclose(to_numpy(layer.dequantized_kernel()), kernel, rtol=1e-5, atol=1e-6)
    kept = int(sizes.sum())
    expected = grouped_matmul(x, kernel, sizes)
    np.testing.assert_allclose(to_numpy(layer(x, sizes))[:kept], expected[:kept], atol=1e-5)

    weight = np.random.default_rng(2).normal(size=(num_rows, units)).astype("float32")
    weight[kept:] = 0
    upstream = ops.convert_to_tensor(weight)

    def loss(y):
        return ops.sum(ops.where(upstream == 0, 0.0, y) * upstream)

    dx, found = layer_gradients(layer, x, loss, group_sizes=sizes)
    dx_of_loop, _ = grouped_matmul_gradients(x, kernel, sizes, weight)
    np.testing.assert_allclose(dx[:kept], dx_of_loop[:kept], atol=1e-5)
    assert sorted(found) == ["bias"]


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("make", BANKS.values(), ids=BANKS)
def test_banks(make, mode):
    bank, x = make(), rows()
    before = to_numpy(bank(x, SIZES))[:4]
    bank.quantize(mode)
    after = to_numpy(bank(x, SIZES))[:4]
    error = np.abs(after - before).max() / np.abs(before).max()
    assert 0 < error < (0.03 if mode == "int8" else 0.4)
    with pytest.raises(ValueError, match="already quantized"):
        bank.quantize(mode)


def bytes_of(layer):
    return sum(np.prod(v.shape) * (1 if v.dtype == "int8" else 4) for v in layer.weights)


@pytest.mark.parametrize("mode, fraction", [("int8", 0.26), ("int4", 0.15)])
def test_bytes_and_files_of_a_model(mode, fraction, tmp_path):
    mixture = MixtureOfExperts(GLUExperts(3, hidden_dim=130), k=2)
    model = keras.Sequential([keras.Input((128,)), mixture])
    before = bytes_of(mixture.experts)
    with pytest.warns(UserWarning, match="does not have a `quantize`"):  # The router stays.
        model.quantize(mode)
    assert bytes_of(mixture.experts) < fraction * before
    policy = "int8_from_float32" if mode == "int8" else "int4/128_from_float32"
    assert mixture.experts.up.dtype_policy.name == policy
    x = rows(6, 128)
    expected = to_numpy(model(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].experts.up.dtype_policy.name == policy
    np.testing.assert_allclose(to_numpy(loaded(x)), expected, atol=1e-6)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(to_numpy(clone(x)), expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_lora_on_a_quantized_bank(mode, tmp_path):
    mixture = MixtureOfExperts(GLUExperts(3, hidden_dim=6), k=2)
    model = keras.Sequential([keras.Input((10,)), mixture])
    mixture.experts.quantize(mode)
    x = rows(6)
    before = to_numpy(model(x))
    mixture.experts.enable_lora(2)
    np.testing.assert_array_equal(to_numpy(model(x)), before)
    draw = np.random.default_rng(0)
    for v in mixture.experts.weights:
        if "lora" in v.name:
            v.assign(draw.normal(size=v.shape).astype("float32"))
    tuned = to_numpy(model(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(x)), tuned, rtol=1e-5, atol=1e-5)
    mixture.experts.merge_lora()  # Which rounds again.
    error = np.abs(to_numpy(model(x)) - tuned).max() / np.abs(tuned).max()
    assert error < (0.05 if mode == "int8" else 0.5)
    assert mixture.experts.up.quantization_mode == mode
    assert not any("lora" in v.name for v in model.weights)


def test_a_layer_of_its_own():
    layer, x = GroupedDense(3, units=5, role="expert"), rows()
    layer.build(x.shape)
    layer.quantize("int8")
    assert [v.name for v in layer.weights] == [
        "expert_bias",
        "expert_kernel",
        "expert_kernel_scale",
    ]
    twin = GroupedDense.from_config(layer.get_config())
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(to_numpy(twin(x, SIZES))[:4], to_numpy(layer(x, SIZES))[:4])


def test_mixed_precision():
    bank, x = GLUExperts(3, hidden_dim=6, dtype="mixed_bfloat16"), rows()
    before = to_numpy(bank(x, SIZES))[:4]
    bank.quantize("int8")
    outputs = bank(x, SIZES)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    np.testing.assert_allclose(to_numpy(outputs)[:4], before, rtol=0.1, atol=0.05)


def test_what_cannot_be_quantized():
    bank = DenseExperts(2, units=3)
    with pytest.raises(ValueError, match="isn't yet built"):
        bank.quantize("int8")
    bank.build((None, 4))
    with pytest.raises(NotImplementedError, match="can be quantized to int8 or int4"):
        bank.quantize("float8")

    class Other(GroupedDense):
        pass

    other = Other(2, units=3)
    other.build((None, 4))
    with pytest.raises(NotImplementedError, match="type_check=False"):
        other.quantize("int8")
    other.quantize("int8", type_check=False)
