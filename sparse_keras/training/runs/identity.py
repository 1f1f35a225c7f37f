"""What a run was trained with: digests in `environment.json`, by which a change is noticed.

Runs of older versions have the digest of the encoded training and validation rows alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import reduce
from typing import TYPE_CHECKING, Any

from sparse_keras.schema.core.errors import Source
from sparse_keras.schema.core.text import parse

if TYPE_CHECKING:
    from sparse_keras.data import Dataset
    from sparse_keras.schema import Config


def identity_of(config: Config, data: Dataset) -> dict[str, Any]:
    """Returns the entries of `environment.json` about the values of a config and its data.

    Args:
        config: The `Config`.
        data: The data set.
    """
    return {
        "resolved_digest": _digest_of_values(config.to_yaml(), config),
        "data_digest": data.digest(),
        "row_digests": _row_digests(data),
        "files": config.files(),
        # Of a table: by which rule its rows were split, and what is known of each part.
        **({"split": data.describe_split()} if hasattr(data, "describe_split") else {}),
    }


def changed_values(environment: dict[str, Any], text: str, config: Config) -> bool:
    """Returns whether a resolved config has other values than the run was started with.

    Args:
        environment: The content of `environment.json`.
        text: The resolved config.
        config: The `Config` of it.
    """
    expected = environment.get("resolved_digest")
    return expected not in (None, _digest_of_values(text, config))


def changed_rows(environment: dict[str, Any], data: Dataset) -> str | None:
    """Says which rows are not those that the run was started with; `None` if all are.

    Args:
        environment: The content of `environment.json`.
        data: The data set as it is now.
    """
    before = environment.get("row_digests")
    if not isinstance(before, dict):
        if environment["data_digest"] != data.digest():
            return "the training or validation rows are not the same, or not in the same order"
        return None
    now = _row_digests(data)
    parts = [part for part in before | now if before.get(part) != now.get(part)]
    if not parts:
        return None
    several = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"the {several} rows are not the same, or not in the same order"


def _digest_of_values(text, config):
    """SHA-256 of the values in a resolved config as they are written, without the folders of files.

    Unlike the hash of the config, later versions with more keys do not change it.
    """
    values, _ = parse(text, Source.of_text("resolved.yaml", text))
    values = values.plain()
    for key in config.files():
        *sections, name = key.split(".")
        section = reduce(lambda outer, inner: outer.get(inner, {}), sections, values)
        section[name] = os.path.basename(section.get(name, ""))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _row_digests(data):
    """The digest of the rows of each part, as far as the data set can tell them apart."""
    from sparse_keras.data.batches import digest_of_batches  # The data set has imported Keras.

    if hasattr(data, "row_digests"):
        return data.row_digests()
    return {"training or validation": data.digest(), "test": digest_of_batches(data.test)}
