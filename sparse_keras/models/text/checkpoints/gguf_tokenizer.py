"""The tokenizer in the metadata of a GGUF file: byte-pair encoding of bytes, as GPT-2 has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparse_keras._internal.suggest import listing
from sparse_keras.data import Tokenizer
from sparse_keras.data.text.tokenizer import tokenizers_library
from sparse_keras.models.text.checkpoints.tokenizer_files import CheckpointTokenizer

# By the name in `tokenizer.ggml.pre`: whether each digit is a word of its own when texts are split
# into words, before pairs are merged.
_DIGITS_APART = {"default": False, "gpt-2": False, "smollm": True}
# Types of tokens: control tokens, such as the end of a text, and added ones.
_CONTROL, _ADDED = 3, 4


def tokenizer_of_metadata(metadata: Mapping[str, Any], where: str) -> CheckpointTokenizer | None:
    """Makes the tokenizer that metadata describe, or returns `None` if there is none.

    Args:
        metadata: All metadata of the file.
        where: What to call the file in messages.

    Raises:
        ValueError: If it is of another kind, or the library `tokenizers` is not installed.
    """

    def value(name, default=None):
        return metadata.get(f"tokenizer.ggml.{name}", default)

    kind, split = value("model"), value("pre", "default")
    if kind is None:
        return None
    if kind != "gpt2" or split not in list(_DIGITS_APART):
        raise ValueError(
            f"{where} has a tokenizer of the kind {kind!r}, {split!r}, which cannot be made from "
            f"GGUF: only 'gpt2' with {listing(_DIGITS_APART)} can. Load the model without it, by "
            "tokenizer=False."
        )
    library = tokenizers_library()
    tokens, merges, types = (value(name, []) for name in ("tokens", "merges", "token_type"))
    if not all(isinstance(one, list) for one in (tokens, merges, types)):
        raise ValueError(f"{where} has a tokenizer without lists of tokens, merges and types.")
    try:
        pairs = [tuple(merge.split(" ", 1)) for merge in merges]
        vocabulary = {token: number for number, token in enumerate(tokens)}
        tokenizer = library.Tokenizer(library.models.BPE(vocabulary, pairs))
    except Exception as error:  # The library raises no narrower class.
        raise ValueError(f"{where} has a tokenizer that makes no sense: {error}") from error
    byte_level = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    if _DIGITS_APART[split]:
        digits = library.pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = library.pre_tokenizers.Sequence([digits, byte_level])
    else:
        tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = library.decoders.ByteLevel()
    for token, kind in zip(tokens, types, strict=False):
        if kind in (_CONTROL, _ADDED):
            special = kind == _CONTROL
            added = library.AddedToken(token, special=special, normalized=False)
            (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([added])
    end = value("eos_token_id")
    end_of_text = tokens[end] if isinstance(end, int) and end < len(tokens) else None
    begin = value("bos_token_id")
    begins = value("add_bos_token", False) and isinstance(begin, int)
    try:
        made = Tokenizer(tokenizer.to_str(), end_of_text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return CheckpointTokenizer(made, (begin,) if begins else ())
