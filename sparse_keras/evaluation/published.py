"""The published results: one JSON file under `results/` for each config, written by a command.

`sparse-keras compare CONFIG --publish` writes them, the README and docs/results.md show them, and
`sparse-keras train` prints them beside its own.
"""

import json

from sparse_keras._internal.shipped import shipped_folder
from sparse_keras.schema import load_config
from sparse_keras.schema.core.errors import ConfigError


def published_result(config_name):
    """What was published for a shipped config.

    Args:
        config_name: Name of the config.

    Returns:
        The file's content, as `Comparison.content` has it, or None if there is none.
        `"config_values"` are those of the config it was measured with, and `"models"` holds, for
        each model, its metrics on the test rows: `{"mean": ..., "std": ..., "values": [one for each
        seed]}`.
    """
    file = _file(config_name)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def is_of(content, config):
    """Whether results were measured with the values that a config has.

    A key that configs did not have then counts as equal if it holds its default, which is what was
    done before there was the key.

    Args:
        content: What `published_result` returns.
        config: A `Config`.
    """
    return _equal(content["config_values"], config.values(), config.values(exclude_defaults=True))


def _equal(then, now, given):
    """Whether values are equal, but for keys that are new and not given."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return then == now
    given = given if isinstance(given, dict) else {}
    new = now.keys() - then.keys()
    return (
        then.keys() <= now.keys()
        and not new & given.keys()
        and all(_equal(value, now[key], given.get(key, {})) for key, value in then.items())
    )


def check_publishable(config):
    """Checks that a config is a shipped one, as it is shipped.

    Raises:
        ConfigError: If not.
    """
    if config.overrides or config.reference != config.name:
        raise ConfigError(
            "--publish takes the name of a shipped config, without --set. Received: "
            f"{config.reference!r}{' with --set' if config.overrides else ''}."
        )


def publish(comparison, ablation=False):
    """Writes the results of a shipped config.

    Args:
        comparison: A `Comparison`.
        ablation: Whether it is one of the config with itself, which has a file of its own.

    Returns:
        The file, a `pathlib.Path`.

    Raises:
        ConfigError: If the config is no shipped one, or not as it is shipped.
    """
    name = comparison.content["config"]
    if not is_of(comparison.content, load_config(name)):
        raise ConfigError(f"The config {name!r} was compared with other values than it ships with.")
    file = _file(f"ablations/{name}" if ablation else name)
    file.parent.mkdir(parents=True, exist_ok=True)
    comparison.save(file)
    return file


def _file(name):
    return shipped_folder("results") / f"{name}.json"
