"""`load_config` and `list_configs`: a name or a path -> a `Config`."""

import os
import warnings
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

from sparse_keras.schema.config import Config
from sparse_keras.schema.core.errors import ConfigError, Problem, Source
from sparse_keras.schema.core.explain import explain
from sparse_keras.schema.core.text import Node, overlay, parse, read_overrides
from sparse_keras.schema.plugins import load_installed
from sparse_keras.schema.zoo import config_names, locate


def load_config(name_or_path, overrides=()):
    """Reads and checks a config.

    A config may say `extends: NAME_OR_PATH` to start from one other config (a relative path starts
    at its own folder). Mappings merge, lists and scalars replace, and a mapping with another `type`
    replaces the whole block. The other config may not extend a third.

    Args:
        name_or_path: the name of a shipped config (`sparse-keras list` shows them), or a path that
            ends in `.yaml`.
        overrides: strings `PATH=VALUE`, such as `"model.experts.num_experts=4"`, laid over the
            file; the value is YAML.

    Returns:
        A `Config`.

    Raises:
        ConfigError: all mistakes at once, each with file, line and column.

    Example:

        config = sparse_keras.load_config("tabular/sparse_mlp_adult", ["training.epochs=1"])
    """
    load_installed()
    overrides = (overrides,) if isinstance(overrides, str) else tuple(overrides)
    name, path = locate(name_or_path)
    text, root, problems = _read(path)
    if "extends" in root.value:
        root, more = _extend(root, path.parent)
        problems += more
    changes = read_overrides(overrides)
    if changes is not None:
        root = overlay(root, changes)
    try:
        config = Config.model_validate(root.plain(), context={"folder": _data_folder(root)})
    except ValidationError as error:
        problems += explain(error, root)
    if problems:
        raise ConfigError(*sorted(problems, key=_position))
    marks = _marks(root)
    config._marks = marks | _marks_of_presets(config.model_dump(exclude_unset=True), marks)
    config._name = name
    config._reference = os.fspath(name_or_path)
    config._overrides = overrides
    config._source_text = text
    return config


def _marks(node, path=()):
    """The position of every value, by its path."""
    marks = {path: node.mark} if path else {}
    if node.is_mapping:
        for key, child in node.value.items():
            marks |= _marks(child, (*path, key))
    return marks


def _marks_of_presets(values, marks, path=()):
    """The positions of values that a `preset` beside them brought in: that of the preset."""
    found = {}
    for key, value in values.items():
        here = (*path, key)
        if here not in marks and (*path, "preset") in marks:
            found[here] = marks[(*path, "preset")]
        if isinstance(value, dict):
            found |= _marks_of_presets(value, marks, here)
    return found


def _read(path):
    """A file -> (its text, its root node, the duplicate keys in it)."""
    shown = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: not a UTF-8 text file: {error}") from None
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from None
    source = Source(shown, tuple(text.splitlines()) or ("",))
    root, problems = parse(text, source)
    if not root.is_mapping:
        what = "is empty" if root.value is None else "does not hold a mapping"
        raise ConfigError(
            Problem(root.mark, "", f"the config {what}; it needs at least version and model")
        )
    return text, root, problems


def _extend(root, folder):
    """Lays `root` over the config that it extends."""
    rest = dict(root.value)
    extends = rest.pop("extends")
    try:
        if not isinstance(extends.value, str):
            raise ConfigError("expected the name of a config or a path that ends in .yaml")
        _, parent_path = locate(extends.value, folder)
        _, parent, problems = _read(parent_path)
        if "extends" in parent.value:
            raise ConfigError(
                f"{extends.value!r} itself extends {parent.value['extends'].plain()!r}; "
                "a config that is extended may not extend another"
            )
    except ConfigError as error:
        if error.problems:  # positions inside the parent say more than the line that names it
            raise
        raise ConfigError(Problem(extends.mark, "extends", str(error))) from None
    return overlay(parent, Node(rest, root.mark)), problems


def _data_folder(root):
    """The folder that `data.path` is relative to: that of the file that gives it.

    A path given by an override is relative to the working directory, as on any command line.
    """
    source = root.nearest(("data", "path")).mark.source
    return Path(source.name).parent if source.lines else ""


def _position(problem):
    return (
        not problem.mark.source.lines,
        problem.mark.source.name,
        problem.mark.line,
        problem.mark.column,
    )


@dataclass(frozen=True)
class ConfigEntry:
    """A shipped config in a few words: its name, its description, its types of model and data."""

    name: str
    description: str
    model: str
    data: str | None


def list_configs(pattern=None):
    """The shipped configs.

    Args:
        pattern: a name with the wildcards `*` and `?`, such as `"*adult*"`; without a wildcard, a
            part of the name. None lists all.

    Returns:
        A list of `ConfigEntry`, sorted by name; empty if none matches.
    """
    pattern = pattern or "*"
    if not set(pattern) & set("*?["):
        pattern = f"*{pattern}*"
    entries = []
    for name in config_names():
        if fnmatchcase(name, pattern):
            try:
                config = load_config(name)
            except ConfigError as error:  # of an installed package; ours are tested
                warnings.warn(f"The config {name!r} is left out: {error}", stacklevel=2)
                continue
            data = config.data.type if config.data else None
            entries.append(ConfigEntry(name, config.description, config.model.type, data))
    return entries
