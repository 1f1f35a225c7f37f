"""The tokenizer inside a saved model: a run's folder, or a `.keras` file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CLASS = "sparse_keras>Tokenizer"


def tokenizer_file(path: Path) -> Path:
    """Returns the file with the tokenizer: in the folder of a run, that of its model."""
    if not path.is_dir():
        return path
    model = path / "model.keras"
    return model if model.is_file() else path / "tokenizer.json"


def saved_tokenizer(path: Path) -> dict[str, Any]:
    """Reads the config of the tokenizer of a `.keras` file. No weight is read.

    Raises:
        ValueError: If the file is damaged, or its model has no tokenizer. `OSError` if it cannot be
            read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"it is not a .keras file, or only a part of one ({error})") from error
    found = next(_tokenizers(config), None)
    if found is None:
        raise ValueError("its model has no tokenizer: it does not read texts")
    return found


def _tokenizers(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("registered_name") == _CLASS:
            yield value["config"]
            return
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _tokenizers(inner)
