"""A checkpoint is matched by the keys that are there: other layouts of the same weights."""

import json

import ml_dtypes
import numpy as np
import pytest

from sparse_keras import load_pretrained, save_pretrained
from sparse_keras.models.text.checkpoints import mxfp4
from sparse_keras.models.text.checkpoints.safetensors_files import Planned, tensors_of, write
from tests.models.text.checkpoints.test_families import expected
from tests.models.text.checkpoints.test_options import changed
from tests.support import published
from tests.support.gradients import to_numpy


def tensors(name):
    return {key: one.read() for key, one in tensors_of(published.FOLDER / name).items()}


def rewritten(name, folder, arrays, *changes):
    """A checkpoint with the config of another, and other tensors."""
    folder = changed(name, folder, *changes)
    planned = [
        Planned(key, array.dtype, array.shape, lambda array=array: [array])
        for key, array in arrays.items()
    ]
    write(folder, planned, 10**9)
    return folder


def fused(arrays, layers, place, names=("gate_proj", "up_proj", "down_proj")):
    """The experts of some layers in one tensor, as transformers has them in memory."""
    arrays = dict(arrays)
    for layer in layers:
        prefix = f"model.layers.{layer}.{place}.experts."
        banks = {name: [] for name in names}
        for name in names:
            expert = 0
            while (key := f"{prefix}{expert}.{name}.weight") in arrays:
                banks[name].append(arrays.pop(key))
                expert += 1
            assert expert > 1
        gate, up, down = (np.stack(banks[name]) for name in names)
        arrays[f"{prefix}gate_up_proj"] = np.concatenate([gate, up], axis=1)
        arrays[f"{prefix}down_proj"] = down
    return arrays


def check_logits(folder, name):
    case = expected(name)
    found = to_numpy(load_pretrained(folder)(case["ids"]))
    np.testing.assert_allclose(found, case["logits"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name, layers, place, names",
    [
        ("deepseek_v3", [1], "mlp", ("gate_proj", "up_proj", "down_proj")),
        # One layer by expert, the other fused, in the same file.
        ("olmoe", [1], "mlp", ("gate_proj", "up_proj", "down_proj")),
        ("mixtral", [0, 1], "block_sparse_moe", ("w1", "w3", "w2")),
    ],
)
def test_fused_experts(name, layers, place, names, tmp_path):
    arrays = fused(tensors(name), layers, place, names)
    check_logits(rewritten(name, tmp_path / "fused", arrays), name)


def test_names_of_another_family(tmp_path):
    """A Mixtral whose experts are called as those of Qwen."""
    theirs = {"block_sparse_moe": "mlp", "w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
    renamed = {
        ".".join(theirs.get(part, part) for part in key.split(".")): array
        for key, array in tensors("mixtral").items()
    }
    check_logits(rewritten("mixtral", tmp_path / "renamed", renamed), "mixtral")


def test_keys_without_prefix_and_buffers(tmp_path):
    """As in GPT-2's first files, and in old ones of Llama."""
    arrays = {key.removeprefix("transformer."): x for key, x in tensors("gpt2").items()}
    arrays["h.0.attn.bias"] = np.ones((1, 1, 40, 40), "float32")
    arrays["h.1.attn.masked_bias"] = np.array(-1e4, "float32")
    check_logits(rewritten("gpt2", tmp_path / "gpt2", arrays), "gpt2")
    arrays = tensors("llama")
    arrays["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(3, "float32")
    check_logits(rewritten("llama", tmp_path / "llama", arrays), "llama")


def test_multi_token_prediction_is_left_out(tmp_path):
    arrays = tensors("deepseek_v3")
    arrays["model.layers.2.eh_proj.weight"] = np.ones((16, 32), ml_dtypes.bfloat16)
    folder = rewritten("deepseek_v3", tmp_path / "mtp", arrays, ("num_nextn_predict_layers", 1))
    check_logits(folder, "deepseek_v3")


def test_a_tied_head_in_the_file(tmp_path):
    arrays = tensors("granitemoe")
    arrays["lm_head.weight"] = arrays["model.embed_tokens.weight"]
    check_logits(rewritten("granitemoe", tmp_path / "tied", arrays), "granitemoe")
    arrays["lm_head.weight"] = arrays["lm_head.weight"] + arrays["lm_head.weight"]
    folder = rewritten("granitemoe", tmp_path / "untied", arrays)
    with pytest.raises(ValueError, match=r"tie_word_embeddings.*'lm_head\.weight'"):
        load_pretrained(folder)


def test_older_configs(tmp_path):
    """`rope_theta` at the top, and `rope_scaling` with `type`."""
    config = json.loads((published.FOLDER / "gpt_oss" / "config.json").read_text())
    rope = dict(config["rope_parameters"])
    theta = rope.pop("rope_theta")
    rope["type"] = rope.pop("rope_type")
    changes = [("rope_theta", theta), ("rope_scaling", rope), ("rope_parameters", None)]
    check_logits(changed("gpt_oss", tmp_path / "older", *changes), "gpt_oss")


def packed(rng, experts, outputs, inputs):
    """Random numbers in MXFP4: blocks, scales and, computed one by one, values."""
    blocks = rng.integers(0, 256, (experts, outputs, inputs // 32, 16), dtype="uint8")
    scales = rng.integers(122, 128, (experts, outputs, inputs // 32), dtype="uint8")
    values = np.zeros((experts, outputs, inputs), "float32")
    for place in np.ndindex(*values.shape):
        byte = int(blocks[*place[:2], place[2] // 32, place[2] % 32 // 2])
        bits = byte >> 4 if place[2] % 2 else byte & 15
        exponent, mantissa = bits >> 1 & 3, bits & 1
        # E2M1: without an exponent, the mantissa counts halves.
        size = mantissa / 2 if exponent == 0 else 2.0 ** (exponent - 1) * (1 + mantissa / 2)
        scale = 2.0 ** (int(scales[*place[:2], place[2] // 32]) - 127)
        values[place] = (-size if bits & 8 else size) * scale
    return blocks, scales, values


def test_gpt_oss_in_mxfp4(tmp_path):
    """The same logits and the same file as from the numbers that the blocks stand for."""
    rng = np.random.default_rng(0)
    width, hidden, experts = 32, 32, 3
    changes = [("hidden_size", width), ("intermediate_size", hidden), ("num_hidden_layers", 1)]
    changes += [("num_local_experts", experts), ("layer_types", ["sliding_attention"])]
    arrays = {}
    for key, array in tensors("gpt_oss").items():
        if "layers.1." in key:
            continue
        sizes = {16: width, 5: experts, 10: hidden, 20: 2 * hidden}
        if key.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            sizes = {16: width}
        shape = tuple(sizes.get(size, size) for size in array.shape)
        arrays[key] = rng.normal(0, 0.3, shape).astype(array.dtype)
    plain, blocked = dict(arrays), dict(arrays)
    for part, outputs, inputs in (("gate_up", 2 * hidden, width), ("down", width, hidden)):
        key = f"model.layers.0.mlp.experts.{part}_proj"
        blocks, scales, values = packed(rng, experts, outputs, inputs)
        plain[key] = values.swapaxes(1, 2).astype(ml_dtypes.bfloat16)
        del blocked[key]
        blocked |= {f"{key}_blocks": blocks, f"{key}_scales": scales}
    quantized = ("quantization_config", {"quant_method": "mxfp4"})
    folders = (
        rewritten("gpt_oss", tmp_path / "plain", plain, *changes),
        rewritten("gpt_oss", tmp_path / "blocked", blocked, *changes, quantized),
    )
    models = [load_pretrained(folder) for folder in folders]
    ids = expected("gpt_oss")["ids"]
    logits, others = (to_numpy(model(ids)) for model in models)
    np.testing.assert_array_equal(logits, others)
    save_pretrained(models[1], tmp_path / "saved")
    saved = tensors_of(tmp_path / "saved")
    for key, array in plain.items():
        assert saved[key].read().tobytes() == np.ascontiguousarray(array).tobytes()


def test_mxfp4_of_transformers():
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers", minversion="5")
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    blocks, scales, values = packed(np.random.default_rng(1), 2, 6, 64)
    theirs = convert_moe_packed_tensors(torch.from_numpy(blocks), torch.from_numpy(scales))
    np.testing.assert_array_equal(theirs.float().numpy(), values.swapaxes(1, 2))
    np.testing.assert_array_equal(mxfp4.unpacked(blocks, scales), values)
