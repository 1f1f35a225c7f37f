"""`load_config` and `list_configs`: from a name or a path to a `Config`."""

import codecs
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

from sparse_keras._internal.printable import shortened
from sparse_keras.schema.config import Config
from sparse_keras.schema.core.errors import ConfigError, Problem, Source
from sparse_keras.schema.core.text import Node, overlay, parse, read_overrides
from sparse_keras.schema.explain import explain
from sparse_keras.schema.plugins import load_installed
from sparse_keras.schema.zoo import config_names, locate


def load_config(
    name_or_path: str | os.PathLike[str], overrides: str | Iterable[str] = ()
) -> Config:
    """Reads and validates a config.

    A config may extend one other config by `extends: NAME_OR_PATH`, where a relative path starts at
    the folder of the file. Mappings merge, lists and scalars replace, and a mapping with another
    `type` replaces the whole block. The other config may not extend a third.

    Args:
        name_or_path: The name of a shipped config (see `list_configs`), or a path that ends in
            `.yaml`.
        overrides: Strings `PATH=VALUE`, such as `"model.experts.num_experts=4"`, which override
            values of the file. The value is YAML.

    Returns:
        A `Config`.

    Raises:
        ConfigError: If the config is not valid. The message lists all errors, each with file, line
            and column.

    Example:

    ```python
    config = sparse_keras.load_config("tabular/sparse_mlp_adult", ["training.epochs=1"])
    ```
    """
    load_installed()
    overrides = (overrides,) if isinstance(overrides, str) else tuple(overrides)
    name, path = locate(name_or_path)
    text, root, problems = _read(path)
    if "extends" in root.value:
        root, more = _extend(root, path)
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
    """The positions of values that come from a `preset` beside them: that of the preset."""
    positions = {}
    for key, value in values.items():
        here = (*path, key)
        if here not in marks and (*path, "preset") in marks:
            positions[here] = marks[(*path, "preset")]
        if isinstance(value, dict):
            positions |= _marks_of_presets(value, marks, here)
    return positions


def _read(path):
    """Returns the text of a file, its root node, and a problem for each duplicate key."""
    shown = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from None
    text = _decoded(content.removeprefix(codecs.BOM_UTF8), shown)
    root, problems = parse(text, Source.of_text(shown, text))
    if not root.is_mapping:
        what = "is empty" if root.value is None else "does not hold a mapping"
        raise ConfigError(
            Problem(root.mark, "", f"the config {what}; it needs at least version and model")
        )
    return text, root, problems


def _decoded(content, shown):
    """Returns the text of a file. Raises a `ConfigError` with the position if it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        source = Source.of_text(shown, content.decode("utf-8", "backslashreplace"))
        mark = source.mark_at(content[: error.start].decode("utf-8"))
        byte = f"byte 0x{content[error.start]:02x}"
        hint = ""
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            hint = ", and the file seems to be UTF-16"
        raise ConfigError(
            Problem(mark, "", f"{byte} is not UTF-8{hint}; save the file as UTF-8")
        ) from None


def _extend(root, path):
    """Lays `root`, from the file `path`, over the config that it extends."""
    rest = dict(root.value)
    extends = rest.pop("extends")
    try:
        if not isinstance(extends.value, str):
            raise ConfigError("expected the name of a config or a path that ends in .yaml or .yml")
        _, parent_path = locate(extends.value, path.parent)
        if parent_path.samefile(path):
            raise ConfigError("a config cannot extend itself")
        _, parent, problems = _read(parent_path)
        if "extends" in parent.value:
            raise ConfigError(
                f"{extends.value!r} itself extends {_shown(parent.value['extends'])}; "
                "a config that is extended may not extend another"
            )
    except ConfigError as error:
        if error.problems:  # Positions inside the other file say more than the line that names it.
            raise
        raise ConfigError(Problem(extends.mark, "extends", str(error))) from None
    return overlay(parent, Node(rest, root.mark)), problems


def _shown(node):
    return shortened(repr(node.plain()))


def _data_folder(root):
    """The folder that `data.path` is relative to: that of the YAML file that gives it.

    A path in an override is relative to the working directory, like any path on a command line.
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
    """A shipped config in brief: its name, its description, and the types of its model and data."""

    name: str
    description: str
    model: str
    data: str | None


def list_configs(pattern: str | None = None) -> list[ConfigEntry]:
    """Lists the shipped configs.

    Args:
        pattern: A name with the wildcards `*` and `?`, such as `"*adult*"`; without a wildcard, a
            part of a name. `None` lists all.

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
            except ConfigError as error:  # Of an installed package; tests validate ours.
                warnings.warn(f"The config {name!r} is skipped: {error}", stacklevel=2)
                continue
            data = config.data.type if config.data else None
            entries.append(ConfigEntry(name, config.description, config.model.type, data))
    return entries
