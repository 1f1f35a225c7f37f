"""GGUF files of the architecture `llama`: the config, the tensors and the tokenizer, in one file.

Tensors are read one by one, and dequantized: F32, F16, BF16, Q8_0, Q4_0 and Q4_1.

Reference:
    [The format](https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from sparse_keras._internal.suggest import listing
from sparse_keras.models.text.checkpoints.gguf_tokenizer import tokenizer_of_metadata
from sparse_keras.models.text.checkpoints.tokenizer_files import CheckpointTokenizer

# The types of values of metadata.
_NUMBERS = {0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?"}
_NUMBERS |= {10: "<u8", 11: "<i8", 12: "<f8"}
_STRING, _ARRAY = 8, 9
_LONGEST = 2**31
_LONGEST_NAME = 256  # 64 by the format.


@dataclass(frozen=True)
class Encoding:
    """How numbers are stored.

    Args:
        name: Its name in GGUF.
        dtype: The NumPy dtype of what is read.
        numbers: Numbers in a block.
        size: Bytes of a block.
        decode: Function from bytes, uint8 `[blocks, size]`, to numbers `[blocks, numbers]`.
    """

    name: str
    dtype: np.dtype
    numbers: int
    size: int
    decode: Callable[[np.ndarray], np.ndarray]


def _as(dtype):
    return lambda blocks: blocks.view(dtype)


def _half(blocks, start):
    """The number in two bytes of each block, float32 `[blocks, 1]`."""
    return np.ascontiguousarray(blocks[:, start : start + 2]).view("<f2").astype("float32")


def _nibbles(blocks):
    """The lower bits of 16 bytes, and then the upper ones."""
    return np.concatenate([blocks & 0x0F, blocks >> 4], axis=1).astype("float32")


_F32, _BF16 = np.dtype("<f4"), np.dtype(ml_dtypes.bfloat16)
_ENCODINGS = {
    0: Encoding("F32", _F32, 1, 4, _as("<f4")),
    1: Encoding("F16", np.dtype("<f2"), 1, 2, _as("<f2")),
    2: Encoding("Q4_0", _F32, 32, 18, lambda b: _half(b, 0) * (_nibbles(b[:, 2:]) - 8)),
    3: Encoding("Q4_1", _F32, 32, 20, lambda b: _half(b, 0) * _nibbles(b[:, 4:]) + _half(b, 2)),
    8: Encoding("Q8_0", _F32, 32, 34, lambda b: _half(b, 0) * b[:, 2:].view("i1")),
    30: Encoding("BF16", _BF16, 1, 2, _as(_BF16)),
}
# The names of the architecture `llama`, and those of transformers.
_OUTER = {
    "token_embd.weight": "embed_tokens.weight",
    "output_norm.weight": "norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class Tensor:
    """Where a tensor is; see `safetensors_files.Tensor`.

    Args:
        file: Path of the file.
        encoding: How its numbers are stored.
        shape: Its shape.
        start: Number of its first byte.
        heads: Number of heads, if rows of a head are in turns: the two halves that rotate together,
            which transformers has one after the other.
    """

    file: Path
    encoding: Encoding
    shape: tuple[int, ...]
    start: int
    heads: int | None = None

    @property
    def dtype(self) -> np.dtype:
        return self.encoding.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape) // self.encoding.numbers * self.encoding.size

    def read(self, index: int | None = None) -> np.ndarray:
        """Reads the tensor, or one entry of its first axis."""
        with open(self.file, "rb") as file:
            file.seek(self.start)
            content = file.read(self.size)
        if len(content) < self.size:
            raise ValueError(f"{str(self.file)!r} ended while it was read.")
        blocks = np.frombuffer(content, "uint8").reshape(-1, self.encoding.size)
        values = self.encoding.decode(blocks).reshape(self.shape)
        if self.heads is not None:
            values = values.reshape(self.heads, -1, 2, *self.shape[1:]).swapaxes(1, 2)
            values = values.reshape(self.shape)
        return values if index is None else values[index]


@dataclass(frozen=True)
class GGUF:
    """A file.

    Args:
        path: Its path.
        config: What transformers would have in `config.json`.
        tensors: The tensors, by the keys of transformers.
        metadata: All its metadata.
    """

    path: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    metadata: dict[str, Any]

    def tokenizer(self) -> CheckpointTokenizer | None:
        """Returns its tokenizer, or `None` if it has none."""
        return tokenizer_of_metadata(self.metadata, repr(str(self.path)))


def read(path: Path) -> GGUF:
    """Reads what a file says, and none of its tensors.

    Raises:
        ValueError: If it is damaged, of another architecture, or has numbers stored in a way that
            is not known.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            metadata, tensors = _header(_Reader(path, file, size), path)
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from None
    architecture = metadata.get("general.architecture")
    if architecture != "llama":
        raise ValueError(
            f"{str(path)!r} is of the architecture {architecture!r}. Of GGUF files, only those of "
            "'llama' can be loaded; load the safetensors files of other models."
        )
    config = _config(path, metadata, tensors)
    heads = (config["num_attention_heads"], config["num_key_value_heads"])
    renamed = {}
    for name, tensor in tensors.items():
        key = _key(name)
        if key in renamed:
            raise _damaged(path, f"it holds {key!r} twice, with two names")
        for part, number in zip(("q", "k"), heads, strict=True):
            if f".attn_{part}." in name:
                rows = tensor.shape[0]
                if rows % (2 * number):
                    raise _damaged(path, f"{number} heads do not divide {rows} rows of {name!r}")
                tensor = Tensor(path, tensor.encoding, tensor.shape, tensor.start, number)
        renamed[key] = tensor
    return GGUF(path, config, renamed, metadata)


def _key(name):
    """The key of transformers; a name that is not known stays, and is reported as not used."""
    if name in _OUTER:
        return _OUTER[name]
    first, _, rest = name.partition(".")
    number, _, rest = rest.partition(".")
    part, _, kind = rest.partition(".")
    if first == "blk" and part in _IN_BLOCK:
        return f"layers.{number}.{_IN_BLOCK[part]}.{kind}"
    return name


def _config(path, metadata, tensors):
    def value(name, *default):
        found = metadata.get(f"llama.{name}", *default)
        if found is None and not default:
            raise _damaged(path, f"it does not say 'llama.{name}'")
        return found

    scaling = value("rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise ValueError(
            f"{str(path)!r} scales rotary positions by {scaling!r}, which cannot be loaded from "
            "GGUF. Load the safetensors files of the model."
        )
    if value("expert_count", 0):
        raise ValueError(
            f"{str(path)!r} has experts, which cannot be loaded from GGUF. Load the safetensors "
            "files of the model."
        )
    rope = {"rope_type": "default", "rope_theta": value("rope.freq_base", 10000.0)}
    if scaling == "linear":
        rope |= {"rope_type": "linear", "factor": value("rope.scaling.factor")}
    if "token_embd.weight" not in tensors:
        raise _damaged(path, "it does not hold 'token_embd.weight'")
    heads = value("attention.head_count")
    key_heads = value("attention.head_count_kv", heads)
    if not all(type(one) is int and one > 0 for one in (heads, key_heads)):
        raise _damaged(path, f"it has {heads!r} heads, and {key_heads!r} of keys")
    ids = {key: metadata.get(f"tokenizer.ggml.{key}") for key in ("eos_token_id", "bos_token_id")}
    return {
        "model_type": "llama",
        "vocab_size": tensors["token_embd.weight"].shape[0],
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "head_dim": value("rope.dimension_count", None),
        "max_position_embeddings": value("context_length"),
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
        "rope_parameters": rope,
        "attention_bias": "blk.0.attn_q.bias" in tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
        "tie_word_embeddings": "output.weight" not in tensors,
        **ids,
    }


def _header(reader, path):
    """Returns the metadata and the tensors, by the names of the file."""
    if reader.bytes(4) != b"GGUF":
        raise _damaged(path, "it does not begin with 'GGUF'")
    version = reader.number("<u4")
    if version not in (2, 3):
        raise ValueError(f"{str(path)!r} is of version {version} of GGUF. Only 2 and 3 are known.")
    count, pairs = reader.number("<u8"), reader.number("<u8")
    metadata = {}
    for _ in range(pairs):
        key = reader.string()
        metadata[key] = reader.value(reader.number("<u4"))
    found = {}
    for _ in range(count):
        name = reader.string()
        if len(name) > _LONGEST_NAME:
            raise _damaged(path, f"the name of a tensor has {len(name):,} characters")
        axes = reader.number("<u4")
        if axes > 4:
            raise _damaged(path, f"{name!r} has {axes} axes")
        shape = tuple(reader.number("<u8") for _ in range(axes))[::-1]
        kind, offset = reader.number("<u4"), reader.number("<u8")
        if kind not in _ENCODINGS:
            names = listing((one.name for one in _ENCODINGS.values()), 10)
            raise ValueError(
                f"{str(path)!r} stores {name!r} as the type {kind} of GGML. Only {names} are known."
            )
        if name in found:
            raise _damaged(path, f"it holds {name!r} twice")
        found[name] = (_ENCODINGS[kind], shape, offset)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise _damaged(path, f"its alignment is {alignment!r}")
    start = -(-reader.position // alignment) * alignment
    tensors = {}
    for name, (encoding, shape, offset) in found.items():
        if not shape or shape[-1] % encoding.numbers:
            raise _damaged(path, f"{name!r} has the shape {shape} of {encoding.name}")
        tensors[name] = Tensor(path, encoding, shape, start + offset)
        if start + offset + tensors[name].size > reader.size:
            raise _damaged(
                path, f"{name!r} would end after the file, which has {reader.size:,} bytes"
            )
    return metadata, tensors


class _Reader:
    """Reads a header, and never past the end of the file."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size, self.position = path, file, size, 0

    def bytes(self, count: int) -> bytes:
        if count > min(self.size - self.position, _LONGEST):
            raise _damaged(self.path, f"its header would go on for {count:,} bytes")
        self.position += count
        return self.file.read(count)

    def number(self, dtype: str) -> Any:
        return np.frombuffer(self.bytes(np.dtype(dtype).itemsize), dtype)[0].item()

    def string(self) -> str:
        (length,) = struct.unpack("<Q", self.bytes(8))
        return self.bytes(length).decode("utf-8", "surrogateescape")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind != _ARRAY:
            raise _damaged(self.path, f"a value is of the type {kind}")
        kind, length = self.number("<u4"), self.number("<u8")
        if kind in _NUMBERS:
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.bytes(length * dtype.itemsize), dtype).tolist()
        if kind != _STRING or length * 8 > self.size:
            raise _damaged(self.path, f"an array has {length:,} values of the type {kind}")
        return [self.string() for _ in range(length)]


def _damaged(path, problem):
    return ValueError(f"{str(path)!r} is damaged, or no GGUF file: {problem}.")
