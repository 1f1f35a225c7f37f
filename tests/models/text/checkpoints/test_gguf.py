"""GGUF files: the same model as the safetensors file that they were made of."""

import struct

import numpy as np
import pytest

from sparse_keras import load_pretrained
from sparse_keras.data import Tokenizer
from sparse_keras.models.text.checkpoints import gguf_files, load
from tests.models.text.checkpoints.test_families import expected
from tests.models.text.checkpoints.test_layouts import rewritten, tensors
from tests.support.gradients import to_numpy

NAMES = {theirs: ours for ours, theirs in gguf_files._IN_BLOCK.items()}
OUTER = {theirs: ours for ours, theirs in gguf_files._OUTER.items()}
TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 8, "BF16": 30}
TOKENS = Tokenizer.train(["the capital of france is paris 123"] * 9, 280)


def string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def value(x):
    """A value of metadata after its type: of integers, floats, truth values, strings, lists."""
    if isinstance(x, bool):
        return struct.pack("<I?", 7, x)
    if isinstance(x, int):
        return struct.pack("<II", 4, x)
    if isinstance(x, float):
        return struct.pack("<If", 6, x)
    if isinstance(x, str):
        return struct.pack("<I", 8) + string(x)
    kind = 8 if isinstance(x[0], str) else 5
    items = [string(one) if kind == 8 else struct.pack("<i", one) for one in x]
    return struct.pack("<IIQ", 9, kind, len(x)) + b"".join(items)


def encode(array, kind):
    """Bytes of an array, and the numbers that they stand for, one block after the other."""
    if kind in ("F32", "F16"):
        array = array.astype({"F32": "<f4", "F16": "<f2"}[kind])
        return array.tobytes(), array.astype("float32")
    content, numbers = b"", []
    for block in array.reshape(-1, 32).astype("float32"):
        if kind == "Q8_0":
            scale = np.float16(np.abs(block).max() / 127 or 1)
            codes = np.round(block / np.float32(scale)).astype("i1")
            content += scale.tobytes() + codes.tobytes()
            numbers.append(np.float32(scale) * codes.astype("float32"))
            continue
        low = np.float32(block.min())
        scale = np.float16((block.max() - low) / 15 or 1)
        low = np.float16(low) if kind == "Q4_1" else np.float16(-8 * np.float32(scale))
        codes = np.clip(np.round((block - np.float32(low)) / np.float32(scale)), 0, 15)
        codes = codes.astype("uint8")
        content += scale.tobytes() + (low.tobytes() if kind == "Q4_1" else b"")
        content += (codes[:16] | codes[16:] << 4).tobytes()
        code = codes.astype("float32")
        if kind == "Q4_1":
            numbers.append(np.float32(scale) * code + np.float32(low))
        else:
            numbers.append(np.float32(scale) * (code - 8))
    return content, np.concatenate(numbers).reshape(array.shape)


def write(path, arrays, kinds, metadata, heads=(4, 2)):
    """Writes a GGUF file of a Llama, and returns the numbers it holds by the keys of ours."""
    infos, data, held = b"", b"", {}
    for key, array in arrays.items():
        short = key.removeprefix("model.")
        if short in OUTER:
            name = OUTER[short]
        else:
            _, layer, *middle, kind = short.split(".")
            name = f"blk.{layer}.{NAMES['.'.join(middle)]}.{kind}"
        kind = kinds(name) if array.ndim == 2 else "F32"
        for part, number in zip(("attn_q.", "attn_k."), heads, strict=True):
            if part in name:  # The two halves that rotate together, in turns.
                halves = array.reshape(number, 2, -1, *array.shape[1:])
                array = halves.swapaxes(1, 2).reshape(array.shape)
        content, numbers = encode(array, kind)
        for part, number in zip(("attn_q.", "attn_k."), heads, strict=True):
            if part in name:
                turns = numbers.reshape(number, -1, 2, *array.shape[1:])
                numbers = turns.swapaxes(1, 2).reshape(array.shape)
        held[key] = numbers
        data += b"\0" * (-len(data) % 32)
        infos += string(name) + struct.pack("<I", array.ndim)
        infos += struct.pack(f"<{array.ndim}Q", *array.shape[::-1])
        infos += struct.pack("<IQ", TYPES[kind], len(data))
        data += content
    head = b"GGUF" + struct.pack("<IQQ", 3, len(arrays), len(metadata))
    head += b"".join(string(key) + value(x) for key, x in metadata.items()) + infos
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
    return held


def metadata(**changes):
    described = {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.embedding_length": 32,
        "llama.feed_forward_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.rope.dimension_count": 8,
        "llama.rope.freq_base": 500.0,
        "llama.attention.layer_norm_rms_epsilon": 0.02,
        "llama.context_length": 40,
    }
    described |= {key.replace("__", "."): x for key, x in changes.items()}
    return {key: x for key, x in described.items() if x is not None}


def vocabulary():
    """The tokenizer above, as metadata."""
    import json

    model = json.loads(TOKENS.content)["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    tokens[0] = "<|im_end|>"
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] + [1] * (len(tokens) - 1),
        "tokenizer.ggml.merges": [" ".join(pair) for pair in model["merges"]],
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
    }


def arrays(head=True):
    rng = np.random.default_rng(0)
    found = {}
    for key, array in tensors("llama").items():
        if key.endswith("bias") or (key.startswith("lm_head") and not head):
            continue
        shape = [{16: 32, 14: 64, 24: 32, 12: 16, 53: 280}[size] for size in array.shape]
        found[key] = rng.normal(array.ndim == 1, 0.3, shape).astype("float32")
    return found


# Every encoding, and in one file as they are published.
KINDS = {
    "F32": lambda name: "F32",
    "F16": lambda name: "F16",
    "Q8_0": lambda name: "Q8_0",
    "Q4_0": lambda name: "Q4_0",
    "mixed": lambda name: "Q8_0" if name == "token_embd.weight" else "Q4_1",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_holds_the_same_model(kind, tmp_path):
    tied = kind == "mixed"
    held = write(tmp_path / "m.gguf", arrays(not tied), KINDS[kind], metadata())
    rope = {"rope_type": "default", "rope_theta": 500.0}
    folder = rewritten(
        "llama",
        tmp_path / "folder",
        held,
        *(("hidden_size", 32), ("intermediate_size", 64), ("head_dim", 8), ("vocab_size", 280)),
        *(("rope_parameters", rope), ("attention_bias", False), ("mlp_bias", False)),
        ("tie_word_embeddings", tied),
        ("rms_norm_eps", float(np.float32(0.02))),
    )
    first, second = load_pretrained(tmp_path / "m.gguf"), load_pretrained(folder)
    ids = expected("llama")["ids"]
    np.testing.assert_array_equal(to_numpy(first(ids)), to_numpy(second(ids)))
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


def test_bfloat16():
    encoding = gguf_files._ENCODINGS[30]
    values = np.array([1.5, -2.0], encoding.dtype)
    np.testing.assert_array_equal(
        encoding.decode(values.view("uint8").reshape(2, 2)).ravel(), values
    )


def test_the_tokenizer(tmp_path):
    write(tmp_path / "m.gguf", arrays(), KINDS["F16"], metadata() | vocabulary())
    model = load_pretrained(tmp_path / "m.gguf")
    tokenizer = model.preprocessor.tokenizer
    assert (tokenizer.end_of_text, tokenizer.end_id) == ("<|im_end|>", 0)
    assert model.preprocessor.begin_ids == []
    text = "the capital of france is 1234 存"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("the capital") == TOKENS.encode("the capital")
    # Each digit is a token, though merges would join them.
    assert len(TOKENS.encode("123")) < 3 and len(tokenizer.encode("123")) == 3
    assert tokenizer.decode([0]) == ""
    assert load_pretrained(tmp_path / "m.gguf", tokenizer=False).vocabulary_size == 280
    begin = vocabulary() | {"tokenizer.ggml.add_bos_token": True}
    write(tmp_path / "m.gguf", arrays(), KINDS["F16"], metadata() | begin)
    assert load_pretrained(tmp_path / "m.gguf").preprocessor.begin_ids == [0]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"general__architecture": "qwen3"}, ["'qwen3'", "'llama'"]),
        ({"llama__block_count": None}, ["'llama.block_count'"]),
        ({"llama__block_count": 3}, ["'layers.2.input_layernorm.weight'"]),
        ({"llama__expert_count": 8}, ["experts"]),
        ({"llama__rope__scaling__type": "yarn"}, ["'yarn'"]),
        ({"llama__attention__head_count": 5}, ["5 heads"]),
        ({"llama__attention__head_count": 0}, ["0 heads"]),
        ({"llama__attention__head_count_kv": [2]}, ["[2] of keys"]),
        ({"llama__rope__freq_base": "x"}, ["rope_theta='x'"]),
        ({"tokenizer__ggml__model": "gpt2", "tokenizer__ggml__pre": [1]}, ["[1]"]),
        ({"tokenizer__ggml__model": "gpt2", "tokenizer__ggml__token_type": 1}, ["lists of tokens"]),
        ({"llama__feed_forward_length": 32}, ["(64, 32)"]),
        ({"tokenizer__ggml__model": "llama"}, ["'llama'", "tokenizer=False"]),
        ({"general__alignment": 0}, ["alignment is 0"]),
    ],
)
def test_what_cannot_be_loaded(changes, words, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "build", None)
    write(tmp_path / "m.gguf", arrays(), KINDS["F32"], metadata(**changes))
    with pytest.raises(ValueError) as caught:
        load_pretrained(tmp_path / "m.gguf")
    assert all(word in str(caught.value) for word in ["m.gguf", *words])


def test_damaged_files(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "build", None)
    path = tmp_path / "m.gguf"
    write(path, arrays(), KINDS["F32"], metadata())
    content = path.read_bytes()

    def renamed(old, new):
        return content.replace(string(old), string(new)) + bytes(64)

    for damaged, word in (
        (b"", "header"),
        (b"GGML" + content[4:], "'GGUF'"),
        (content[:4] + struct.pack("<I", 9) + content[8:], "version 9"),
        (content[:-1], "would end after the file"),
        (content[:8] + struct.pack("<Q", 10**12) + content[16:], "damaged"),
        (content[:16] + struct.pack("<Q", 10**12) + content[24:], "damaged"),
        (content[:24] + struct.pack("<Q", 10**12) + content[32:], "1,000,000,000,000 bytes"),
        (renamed("blk.0.attn_k.weight", "layers.0.self_attn.q_proj.weight"), "twice, with two"),
        (renamed("blk.0.attn_k.weight", "a" * 300), "has 300 characters"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=word):
            load_pretrained(path)
    path.unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        load_pretrained(path)
