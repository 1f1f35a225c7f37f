"""Published results: a JSON file under `results/` for each config, written by a command.

`sparse-keras compare CONFIG --publish` writes them, README.md and docs/results.md display them, and
`sparse-keras train` prints them beside its own metrics.
"""

import json
from pathlib import Path
from typing import Any

from sparse_keras._internal.shipped import shipped_folder
from sparse_keras.evaluation.result import Comparison
from sparse_keras.schema import Config, load_config
from sparse_keras.schema.core.errors import ConfigError


def published_result(config_name: str) -> dict[str, Any] | None:
    """Reads the published results of a shipped config.

    Args:
        config_name: Name of the config.

    Returns:
        The file's content, a `Comparison.content`, or None if nothing was published.
        `"config_values"` are the values of the config at the time, and `"models"` holds the test
        metrics of each model: `{"mean": ..., "std": ..., "values": [one per seed]}`.
    """
    file = _file(config_name)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def is_of(content: dict[str, Any], config: Config) -> bool:
    """Returns whether results were measured with the values that a config has now.

    A key that was added to configs since counts as equal if it has its default, which is how the
    library behaved before the key existed.

    Args:
        content: What `published_result` returns.
        config: A `Config`.
    """
    return _equal(content["config_values"], config.values(), config.values(exclude_defaults=True))


def _equal(then, now, given):
    """Whether values are equal, except for new keys that are not given."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return then == now
    given = given if isinstance(given, dict) else {}
    new = now.keys() - then.keys()
    return (
        then.keys() <= now.keys()
        and not new & given.keys()
        and all(_equal(value, now[key], given.get(key, {})) for key, value in then.items())
    )


def check_publishable(config: Config) -> None:
    """Checks that a config is a shipped one without changes.

    Raises:
        ConfigError: If it is not.
    """
    if config.overrides or config.reference != config.name:
        raise ConfigError(
            "--publish takes the name of a shipped config, without --set. Received: "
            f"{config.reference!r}{' with --set' if config.overrides else ''}."
        )


def publish(comparison: Comparison, ablation: bool = False) -> Path:
    """Writes the results of a shipped config.

    Args:
        comparison: A `Comparison`.
        ablation: Whether it compares the config with variants of itself. Such results have files
            of their own.

    Returns:
        The file.

    Raises:
        ConfigError: If the config is not a shipped one, or was changed.
    """
    name = comparison.content["config"]
    if not is_of(comparison.content, load_config(name)):
        raise ConfigError(
            f"The config {name!r} was compared with other values than those it ships with."
        )
    file = _file(f"ablations/{name}" if ablation else name)
    file.parent.mkdir(parents=True, exist_ok=True)
    comparison.save(file)
    return file


def _file(name):
    return shipped_folder("results") / f"{name}.json"
