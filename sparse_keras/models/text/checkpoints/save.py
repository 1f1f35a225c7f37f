"""save_pretrained: from a model to the files of a published family."""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.layers.validation import positive_int
from sparse_keras.models.plain_weights import check_plain_weights
from sparse_keras.models.text.checkpoints import arrays, safetensors_files
from sparse_keras.models.text.checkpoints.families import FAMILIES, Family
from sparse_keras.models.text.checkpoints.keys import Held, row_of_layouts
from sparse_keras.models.text.checkpoints.options import describe
from sparse_keras.models.text.checkpoints.weights import all_weights, value_of
from sparse_keras.models.text.encoder_model import TextEncoder
from sparse_keras.models.text.language_model import CausalLM
from sparse_keras.models.text.text_generator import TextGenerator

_IDS = ("eos_token_id", "bos_token_id", "pad_token_id")
_NO_LIMIT = 2**20
_DTYPES = ("float32", "bfloat16", "float16")


def save_pretrained(
    model: CausalLM | TextGenerator | TextEncoder,
    folder: str | os.PathLike,
    family: str | None = None,
    dtype: str | None = None,
    max_shard_size: int = 5 * 10**9,
) -> str:
    """Writes a language model or an encoder as Hugging Face's transformers reads it.

    The folder gets `config.json`, `model.safetensors` or shards with an index, and the tokenizer,
    if the model has one. A model that `load_pretrained` loaded is written with the keys, bits and
    dtypes of its checkpoint. Any other, whether built by `causal_lm`, tuned or upcycled, is written
    as a family that has its options: with the options of Llama and experts it is a Mixtral.

    What training adds, such as auxiliary losses and dropout, is not written. Merge LoRA before, by
    `merge_lora`. The id of padding is written as `pad_token_id`; other libraries, and the model
    that `load_pretrained` loads, mask padding only if they are given a mask.

    Args:
        model: A `CausalLM`, a `TextGenerator` or a `TextEncoder`.
        folder: Where to write. It is made if it is not there; it must not hold a model yet.
        family: Name of the family, such as `"qwen3_moe"`. `None`: that of the checkpoint the model
            was loaded from, if it still fits, or else the first that does.
        dtype: `"float32"`, `"bfloat16"` or `"float16"`. `None`: that of the checkpoint the model
            was loaded from, or else that of its weights.
        max_shard_size: The most bytes of tensors in a file.

    Returns:
        The name of the family.

    Raises:
        ValueError: Before anything is written: if no family, or not the given one, has the options
            of the model, which the error names; if the folder holds a model, or is a file; if
            layers have LoRA or are quantized; or if `dtype` is another.

    Example:

    >>> model = sparse_keras.models.causal_lm(
    ...     vocabulary_size=1000,
    ...     depth=1,
    ...     width=32,
    ...     num_heads=4,
    ...     experts={"type": "glu", "num_experts": 4, "hidden_dim": 16},
    ...     context_length=64,
    ... )
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(sparse_keras.save_pretrained(model, folder))
    mixtral
    """
    positive_int("max_shard_size", max_shard_size)
    core, tokenizer, begin_ids = model, None, ()
    if isinstance(model, TextGenerator):
        core, preprocessor = model.core, model.preprocessor
        tokenizer, begin_ids = preprocessor.tokenizer, preprocessor.begin_ids
    elif isinstance(model, TextEncoder):
        tokenizer = model.tokenizer
    check_plain_weights(core, "save_pretrained")
    options = describe(core)
    # A config needs a limit. Rotary positions have none.
    options["context_length"] = options["context_length"] or _NO_LIMIT
    facts = core.checkpoint or {}
    found, config = _family(options, family, facts.get("config") or {})
    usual = _dtype(core, dtype, facts)
    others = {} if dtype is not None else facts.get("other_dtypes") or {}
    of_decoder = None if isinstance(model, TextEncoder) else tokenizer
    config |= _special_tokens(config, of_decoder, begin_ids)
    if core.padding_id is not None:
        config["pad_token_id"] = core.padding_id
    config["dtype"] = usual
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file. Choose a folder.")
    # Without its shards, too, an index would be read before the new file.
    kinds = ("*.safetensors", safetensors_files.INDEX, "config.json")
    taken = [file for kind in kinds for file in folder.glob(kind)]
    if taken:
        raise ValueError(
            f"{str(folder)!r} holds a model already: {listing((one.name for one in taken), 3)}. "
            "Choose another folder, or delete them."
        )
    folder.mkdir(parents=True, exist_ok=True)
    options = found.filled(options)
    tensors = _tensors(core, options, found, usual, others)
    if found.name == (facts.get("config") or {}).get("model_type"):
        tensors = itertools.chain(tensors, _buffers(found, options, facts.get("buffers") or {}))
    safetensors_files.write(folder, tensors, max_shard_size)
    if tokenizer is not None:
        tokenizer.save(folder / "tokenizer.json")
        _write_json(folder / "tokenizer_config.json", _tokenizer_config(model, tokenizer))
    # Last: a folder with a config is complete.
    _write_json(folder / "config.json", dict(sorted(config.items())))
    return found.name


def _tokenizer_config(model, tokenizer):
    said = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if not isinstance(model, TextEncoder):
        return said | {"eos_token": tokenizer.end_of_text}
    # By these names transformers finds what pads and joins texts.
    ids = {"pad_token": model.padding_id, "unk_token": tokenizer.unknown_id}
    ids |= dict(zip(("cls_token",), tokenizer.begin_ids, strict=False))
    ids |= dict(zip(("sep_token",), tokenizer.final_ids, strict=False))
    return said | {name: tokenizer.token_of(id) for name, id in ids.items() if id is not None}


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _family(options, name, config):
    """Returns the family that has these options, and its config.

    Args:
        options: As `describe` returns them.
        name: Name of the family, or `None`.
        config: The config that the model came with, if any.

    Raises:
        ValueError: If no family has them.
    """
    if name is not None and name not in FAMILIES:
        raise ValueError(
            f"There is no family {name!r}.{did_you_mean(name, FAMILIES)} The families are "
            f"{listing(FAMILIES, 20)}."
        )
    first = config.get("model_type")
    names = [name] if name else sorted(FAMILIES, key=lambda one: one != first)
    lacking, unwritten = {}, {}
    for one in names:
        family = FAMILIES[one]
        lacks, written = _lacks(family, family.filled(options))
        if not lacks:
            ids = {key: config[key] for key in _IDS if key in config}
            return family, {**(family.others(config) if one == first else ids), **written}
        lacking[one], unwritten[one] = lacks, not written
    nearest = min(
        lacking,
        key=lambda one: (
            _kind(FAMILIES[one]) != _kind_of(options),
            unwritten[one],  # A config that cannot be read says little of the model.
            len(lacking[one]),
        ),
    )
    subject = f"The family {name!r} does not have" if name else "No published family has"
    near = "" if name else f" The nearest is {nearest!r}."
    raise ValueError(
        f"{subject} all options of the model.{near} {'; '.join(lacking[nearest][:4])}."
    )


def _kind(family):
    return family.has_experts, family.is_latent, not family.is_encoder


def _kind_of(options):
    return bool(options["sparse"]), options["attention"] == "latent", options["causal"]


def _lacks(family: Family, options: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Returns what a family does not have, and the config that it writes if it has all."""
    lacks = []
    for word, has, wanted in zip(
        ("experts", "latent attention", "a decoder"), _kind(family), _kind_of(options), strict=True
    ):
        if has != wanted:
            lacks.append(f"{word}: {_yes(wanted)} in the model, {_yes(has)} there")
    if lacks:
        return lacks, {}
    config = family.write(options)
    try:
        read = family.read(json.loads(json.dumps(config)), "its config.json")
    except ValueError as error:
        return [str(error).rstrip(".")], {}
    read |= {name: options[name] for name in family.by_tensors}
    for name, value in options.items():
        if not _equal(value, read[name]):
            lacks.append(f"{name}: {_shown(value)} in the model, {_shown(read[name])} there")
    if not lacks:
        missing = {n for _, n, _ in all_weights(options) if not row_of_layouts(n, family.layouts)}
        lacks = [f"no place for the weight {name!r}" for name in sorted(missing)]
    return lacks, config


def _yes(value):
    return "yes" if value else "no"


def _shown(value):
    return (
        repr(dict(value))
        if isinstance(value, tuple) and value and isinstance(value[0], tuple)
        else repr(value)
    )


def _equal(first, second):
    if isinstance(first, float) and isinstance(second, (int, float)):
        return math.isclose(first, second, rel_tol=1e-9)
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        return all(map(_equal, first, second))
    return first == second


def _special_tokens(config, tokenizer, begin_ids: Sequence[int]) -> dict[str, Any]:
    """The ids that begin and end texts, where the config does not say them."""
    if tokenizer is None:
        said: dict[str, Any] = {}
    else:
        begin = begin_ids[0] if begin_ids else None
        said = {"eos_token_id": tokenizer.end_id, "bos_token_id": begin}
    # Transformers has defaults of its own for those that are missing, such as 2.
    return {key: config.get(key, said.get(key)) for key in _IDS}


def _dtype(model, dtype, facts):
    if dtype is None:
        weights = model.token_embedding.embeddings.dtype
        dtype = facts.get("dtype") or weights
        return dtype if dtype in _DTYPES else "float32"
    if dtype not in _DTYPES:
        raise ValueError(f"`dtype` must be one of {listing(_DTYPES)}. Received: dtype={dtype!r}.")
    return dtype


def _tensors(model, options, family, usual, others) -> Iterator[safetensors_files.Planned]:
    """Yields the tensors of a family, each of which is made when it is written."""
    held: dict[tuple[int | None, str], Held] = {}
    for block, name, shape in all_weights(options):
        row = row_of_layouts(name, family.layouts)
        assert row is not None  # `_lacks` has found a row for each.
        if (block, row.key) in held:
            held[block, row.key].shapes.append(shape)
        else:
            held[block, row.key] = Held(row, block, [shape])
    for one in held.values():
        for expert, key in enumerate(one.keys()):
            name = others.get(key, usual)
            prefix = "" if key.startswith("lm_head.") else family.prefix
            yield safetensors_files.Planned(
                prefix + key,
                arrays.numpy_dtype(name),
                one.tensor_shape,
                functools.partial(_parts, model, one, expert if one.row.each_expert else None),
            )


def _buffers(family, options, dtypes):
    """Yields the positions of BERT, if its files held them."""
    for key, name in dtypes.items():
        positions = np.arange(options["context_length"], dtype=name)[None]
        yield safetensors_files.Planned(
            family.prefix + key, positions.dtype, positions.shape, lambda one=positions: [one]
        )


def _parts(model, held, expert):
    """Yields the values of a tensor: of one expert, of all one by one, or of no expert."""
    weights = [
        _value(model, held.block, name, shape)
        for name, shape in zip(held.row.weights, held.shapes, strict=True)
    ]
    if not held.row.of_experts:
        yield held.row.operation.join([ops.convert_to_numpy(weight) for weight in weights])
        return
    for number in range(held.experts) if expert is None else [expert]:
        yield held.row.operation.join([ops.convert_to_numpy(weight[number]) for weight in weights])


def _value(model, block, name, shape):
    """A weight, or zeros where the family needs one that the model does not have."""
    filled = name.startswith(("shared.", "shared_gate."))
    if filled and model.blocks[block].feed_forward.shared_expert is None:
        return np.zeros(shape, "float32")
    return value_of(model, block, name)
