"""The tokenizer of a checkpoint: `tokenizer.json`, and what the files beside it say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparse_keras.data import Tokenizer
from sparse_keras.models.text.checkpoints.safetensors_files import read_json


@dataclass(frozen=True)
class CheckpointTokenizer:
    """A tokenizer, and what stands at the beginning of each text.

    Args:
        tokenizer: The `Tokenizer`.
        begin_ids: The ids before each text: often none, or one.
    """

    tokenizer: Tokenizer
    begin_ids: tuple[int, ...]


def tokenizer_of(folder: Path, config: Mapping[str, Any]) -> CheckpointTokenizer | None:
    """Reads the tokenizer of a folder, or returns `None` if it has no `tokenizer.json`.

    Texts end where the configuration says so: `eos_token` of `tokenizer_config.json`, or
    `eos_token_id` of `config.json`, of which the first counts.

    Args:
        folder: The folder.
        config: The parsed `config.json`.

    Raises:
        ValueError: If a file is damaged, or the library `tokenizers` is not installed.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    try:
        content = path.read_text(encoding="utf-8")
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8: {error}") from error
    said: Any = {}
    if (folder / "tokenizer_config.json").is_file():
        said = read_json(folder / "tokenizer_config.json")
    end = said.get("eos_token") if isinstance(said, dict) else None
    end = end.get("content") if isinstance(end, dict) else end
    try:
        if not isinstance(end, str):
            end = token_of(content, config.get("eos_token_id"))
        tokenizer = Tokenizer(content, end)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from error
    return CheckpointTokenizer(tokenizer, tokenizer.begin_ids)


def token_of(content: str, token_id: Any) -> str | None:
    """Returns the token of an id, or of the first of several, as a `tokenizer.json` has it."""
    if isinstance(token_id, list) and token_id:
        token_id = token_id[0]
    if not isinstance(token_id, int):
        return None
    try:
        parsed = json.loads(content)
        for token in parsed.get("added_tokens") or ():
            if token["id"] == token_id:
                return token["content"]
        vocabulary = parsed["model"]["vocab"]
        if isinstance(vocabulary, dict):
            return next((token for token, n in vocabulary.items() if n == token_id), None)
        return vocabulary[token_id][0]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None  # `Tokenizer` says what is wrong with it.
