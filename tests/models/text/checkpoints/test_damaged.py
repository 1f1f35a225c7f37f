"""Checkpoints that cannot be loaded: one clear error each, before any weight is made."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest

from sparse_keras import load_pretrained, save_pretrained
from sparse_keras.models.text.checkpoints import load
from sparse_keras.models.text.checkpoints.safetensors_files import INDEX, SINGLE
from tests.models.text.checkpoints.test_layouts import rewritten, tensors
from tests.models.text.checkpoints.test_options import changed
from tests.support import published


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch):
    def build(options):
        raise AssertionError("A model was built.")

    monkeypatch.setattr(load, "build", build)


def check(folder, *words):
    with pytest.raises(ValueError) as caught:
        load_pretrained(folder)
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("model_type", "lama", ["'lama'", "Did you mean 'llama'?"]),
        ("model_type", None, ["model_type=None"]),
        ("model_type", "mamba", ["'mamba'", "'deepseek_v3'"]),
        ("hidden_size", -3, ["hidden_size=-3"]),
        ("hidden_size", "16", ["hidden_size='16'"]),
        ("num_hidden_layers", 10**12, ["1000000000000 blocks"]),
        ("vocab_size", 10**12, ["'embed_tokens.weight'", "(53, 16)", "(1000000000000, 16)"]),
        ("rms_norm_eps", None, ["rms_norm_eps=None"]),
        ("rope_parameters", {"rope_type": "longrope"}, ["'longrope'", "'yarn'"]),
        ("rope_parameters", {"rope_type": "linear"}, ["factor"]),
        ("rope_parameters", {"rope_type": ["yarn"]}, ["['yarn']", "'llama3'"]),
        ("rope_parameters", {"rope_type": "default", "turns": 2}, ["'turns'"]),
        ("attention_sinks", 4, ["'attention_sinks'", "does not know", "remove it"]),
        ("hidden_act", "xielu", ["'xielu'", "'silu'"]),
        ("quantization_config", {"quant_method": "fp8"}, ["quantized by 'fp8'"]),
        ("rms_norm_eps", 10**400, ["rms_norm_eps=1000", "...", "not a finite number"]),
        ("rms_norm_eps", float("nan"), ["rms_norm_eps=nan", "not a finite number"]),
        ("rope_parameters", {"rope_type": ["yarn"]}, ["['yarn']", "'yarn'"]),
        ("rope_parameters", {"rope_theta": "x"}, ["rope_theta='x'", "not a finite number"]),
        ("rope_parameters", {"rope_theta": [1]}, ["rope_theta=[1]"]),
        ("rope_parameters", {"rope_type": "linear", "factor": {"a": 1}}, ["factor={'a': 1}"]),
        ("partial_rotary_factor", 10**400, ["partial_rotary_factor=1000"]),
    ],
)
def test_configs(key, value, words, tmp_path):
    check(changed("llama", tmp_path / "changed", (key, value)), "config.json", *words)


def test_configs_of_experts(tmp_path):
    folder = changed("mixtral", tmp_path / "many", ("num_experts_per_tok", 9))
    check(folder, "num_experts_per_tok=9", "5 experts")
    folder = changed("mixtral", tmp_path / "experts", ("num_local_experts", 10**12))
    check(folder, "gate.weight")
    folder = changed("mixtral", tmp_path / "one", ("num_experts_per_tok", 1))
    check(folder, "divided by itself")
    folder = changed("deepseek_v2", tmp_path / "m", ("rope_parameters.mscale_all_dim", 1e300))
    check(folder, "rotary positions that make no sense")
    folder = changed("deepseek_v2", tmp_path / "norm", ("norm_topk_prob", True))
    check(folder, "norm_topk_prob=True")
    folder = changed("granitemoe", tmp_path / "heads", ("num_attention_heads", 17))
    check(folder, "num_attention_heads=17, more heads than the 16 units")
    folder = changed("gpt2", tmp_path / "gpt2", ("n_head", 17))
    check(folder, "n_head=17, more heads than the 16 units")
    folder = changed("qwen2_moe", tmp_path / "blocks", ("mlp_only_layers", [[1]]))
    check(folder, "mlp_only_layers=[[1]]")
    folder = changed("qwen3", tmp_path / "kinds", ("layer_types", [[], []]))
    check(folder, "layer_types=[[], []]")
    folder = changed("qwen3_moe", tmp_path / "none", ("mlp_only_layers", [0, 1]))
    check(folder, "none of the 2 blocks experts")


def test_tensors(tmp_path):
    arrays = tensors("qwen3_moe")
    missing = dict(arrays)
    key = "model.layers.1.mlp.experts.3.up_proj.weight"
    missing.pop(key)
    check(rewritten("qwen3_moe", tmp_path / "missing", missing), f"'{key.removeprefix('model.')}'")
    missing = {k: x for k, x in arrays.items() if ".mlp." not in k}
    check(rewritten("qwen3_moe", tmp_path / "all", missing), "layers.1.mlp.gate.weight")
    more = arrays | {"model.layers.0.self_attn.rotations": np.ones(2, "float32")}
    check(rewritten("qwen3_moe", tmp_path / "more", more), "'layers.0.self_attn.rotations'")
    shape = arrays | {key: np.ones((10, 17), "float32")}
    check(rewritten("qwen3_moe", tmp_path / "shape", shape), "(10, 17)", "(10, 16)", "experts.3")
    integer = arrays | {key: np.ones((10, 16), "int64")}
    check(rewritten("qwen3_moe", tmp_path / "dtype", integer), "int64", "'bfloat16'")
    twice = arrays | {"norm.weight": np.ones(16, "float32")}
    check(rewritten("qwen3_moe", tmp_path / "twice", twice), "'norm.weight' twice")
    eight = {k: x.astype(ml_dtypes.float8_e4m3fn) for k, x in arrays.items()}
    check(rewritten("qwen3_moe", tmp_path / "eight", eight), "float8_e4m3fn")


def with_header(folder, header, rest=b""):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / SINGLE).write_bytes(struct.pack("<Q", len(content)) + content + rest)
    return folder


def test_files(tmp_path):
    folder = changed("llama", tmp_path / "llama")
    content = (folder / SINGLE).read_bytes()
    for name, damaged, word in (
        ("empty", b"", "0"),
        ("short", content[:100], "header"),
        ("truncated", content[:-10], "would end at byte"),
        ("longer", content + b"more", "tensors end at byte"),
        ("header", struct.pack("<Q", 10**12) + content[8:], "1000000000000"),
        ("pickle", b"\x80\x04" + bytes(200), "header"),
    ):
        (folder / SINGLE).write_bytes(damaged)
        check(folder, SINGLE, "damaged", word), name

    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for header, word in (
        (b"[" * 10**5, "no JSON"),
        ([1], "no dict"),
        ({"a": 1}, "the entry of 'a'"),
        ({"a": entry | {"shape": [-2]}}, "the entry of 'a'"),
        ({"a": entry | {"shape": [10**12, 10**12]}}, "shape"),
        ({"a": entry | {"data_offsets": [8, 16]}}, "starts at byte"),
        ({"a": entry, "b": entry}, "'b' starts at byte"),
    ):
        check(with_header(folder, header, bytes(8)), "damaged", word)
    check(with_header(folder, {"a": entry | {"dtype": "F4"}}), "dtype 'F4'")
    check(with_header(folder, {"a": entry | {"dtype": ["F4"]}}), "dtype ['F4']")
    (folder / SINGLE).unlink()
    check(folder, f"no {SINGLE}")
    (folder / "pytorch_model.bin").write_bytes(b"")
    check(folder, "'pytorch_model.bin' may run code")
    (folder / "config.json").write_text("{")
    check(folder, "config.json", "no JSON")
    check(tmp_path / "nowhere", "no file or folder")
    folder = changed("llama", tmp_path / "tokenizer")
    (folder / "tokenizer.json").write_bytes(b"\xff\xfe")
    check(folder, "tokenizer.json", "not UTF-8")


def test_index(tmp_path):
    folder = changed("llama", tmp_path / "llama")

    def index(weight_map):
        (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
        return folder

    keys = list(tensors("llama"))
    paths = ("../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\b")
    for name in (*paths, "\0.safetensors", 3, ["a"], {"a": 1}):
        check(index(dict.fromkeys(keys, name)), INDEX, "same folder")
    check(index(dict.fromkeys(keys, "none.safetensors")), "none.safetensors", "cannot be read")
    check(index({}), "no 'weight_map'")
    check(index(dict.fromkeys(keys[1:], SINGLE)), keys[0])
    check(index(dict.fromkeys([*keys, "more.weight"], SINGLE)), "'more.weight'")


def test_a_truncated_shard(tmp_path, monkeypatch):
    monkeypatch.undo()
    model = load_pretrained(published.FOLDER / "mixtral")
    save_pretrained(model, tmp_path, max_shard_size=8000)
    shard = sorted(tmp_path.glob("*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-1])
    check(tmp_path, shard.name, "would end at byte")
    shard.unlink()
    check(tmp_path, shard.name, "No such file")
