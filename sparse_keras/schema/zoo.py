"""The shipped configs: their names and their files.

The name of a config is its path under `configs/` without `.yaml`, such as
`tabular/sparse_mlp_adult`. The names of configs from an installed package (entry point group
`sparse_keras.configs`) start with the name of the entry point.
"""

import functools
import importlib.util
import os
import re
import shlex
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from sparse_keras._internal.printable import shortened
from sparse_keras._internal.shipped import shipped_folder
from sparse_keras._internal.suggest import nearest
from sparse_keras.schema.core.errors import ConfigError

CONFIGS = "sparse_keras.configs"
# How the names of config files end.
SUFFIXES = (".yaml", ".yml")
# Files that `sparse-keras init` writes a config for, to say so.
_TABLES = {".csv", ".tsv", ".parquet", ".npz", ".xlsx", ".xlsm"}


def find_configs() -> Path:
    """The folder of the shipped configs."""
    return shipped_folder("configs")


def config_names() -> list[str]:
    """The names of all shipped configs, sorted."""
    return sorted(_files())


def config_file(name: str) -> Path | None:
    """The file of a shipped config; None if there is no such config."""
    return _files().get(name)


def _files():
    """The files by name, of our configs and of those of installed packages."""
    files = {}
    for prefix, folder in [("", find_configs()), *_contributed()]:
        for path in folder.rglob("*.yaml"):
            name = prefix + path.relative_to(folder).with_suffix("").as_posix()
            files.setdefault(name, path)
    return files


def contributed_folder(entry: metadata.EntryPoint) -> Path:
    """The folder of the package that an entry point of `sparse_keras.configs` names.

    The package itself is not imported, only its parents.

    Raises:
        ImportError: If there is no such package.
    """
    spec = importlib.util.find_spec(entry.value)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"there is no package {entry.value}")
    return Path(spec.submodule_search_locations[0])


@functools.cache
def _contributed():
    """The folders of installed packages: `(prefix of the names, folder)`."""
    folders = []
    for entry in metadata.entry_points(group=CONFIGS):
        try:
            folder = contributed_folder(entry)
        except Exception as error:
            warnings.warn(
                f"The configs that {entry.name!r} contributes ({entry.value}) cannot be found: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )
        else:
            folders.append((f"{entry.name}/", folder))
    return folders


def nearest_names(name: str, n: int = 3) -> list[str]:
    """The n names of shipped configs that are most like `name`, best first."""
    return nearest(name, config_names(), n=n, cutoff=0.0)


def locate(
    reference: str | os.PathLike[str], folder: str | os.PathLike[str] = ""
) -> tuple[str, Path]:
    """Finds the file of a config.

    Args:
        reference: The name of a shipped config, or a path that ends in `.yaml` or `.yml`.
        folder: The folder at which a relative path starts. Defaults to the working directory.

    Returns:
        `(name, path)`: the name of the shipped config or the stem of the file, and its `Path`.

    Raises:
        ConfigError: If there is no such config and no such file.
    """
    try:
        reference = os.fspath(reference)
    except TypeError:
        raise ConfigError(_no_reference(reference)) from None
    shipped = config_file(reference)
    if shipped is not None:
        return reference, shipped
    path = Path(folder, os.path.expanduser(reference))
    try:
        if is_config_path(reference) and path.is_file():
            return path.stem, path
        message = _no_config(reference, path)
    except OSError as error:  # Such as a name that is too long.
        message = f"{shortened(str(path))}: {error.strerror}"
    raise ConfigError(message)


def is_config_path(reference: str | os.PathLike[str]) -> bool:
    """Returns whether a reference is the path of a config file, rather than a name."""
    return os.path.splitext(reference)[1].lower() in SUFFIXES


def _no_reference(received):
    """Says why something that is no string and no path names no config."""
    expected = "expected the name of a config or a path that ends in .yaml or .yml"
    if isinstance(received, Mapping):
        return f"{expected}, got a mapping; `schema.Config(**values)` makes a config from values"
    return f"{expected}, got {shortened(repr(received))}"


def _no_config(reference, path):
    """Says why a reference names no config, and what may have been meant."""
    if is_config_path(reference) and not path.exists():
        stem = os.path.splitext(reference)[0]
        hint = f" (did you mean the shipped config {stem!r}?)" if config_file(stem) else ""
        return f"no such file: {shortened(str(path))}{hint}"
    for suffix in SUFFIXES:
        if Path(f"{path}{suffix}").is_file():
            return f"unknown config {reference!r} (did you mean the file {reference}{suffix}?)"
    if re.match(r"[a-z_.]+=", reference) and not path.exists():
        return f"expected configs, got the setting {reference!r}; write settings into the config"
    if not reference or not path.exists():
        nearest = ", ".join(nearest_names(reference))
        return (
            f"unknown config {shortened(reference)!r}; the nearest names are {nearest}. "
            "`sparse-keras list` shows all; a path to a file of your own ends in .yaml or .yml"
        )
    shown = shlex.quote(reference)
    if path.is_dir():
        if (path / "resolved.yaml").is_file():
            return (
                f"{reference} is the folder of a run; its config is "
                f"{shlex.quote(os.path.join(reference, 'resolved.yaml'))}. An unfinished run goes "
                f"on with: sparse-keras train --resume {shown}"
            )
        return f"{reference} is a folder; expected a config, a file that ends in .yaml or .yml"
    if _TABLES & {suffix.lower() for suffix in path.suffixes}:
        return (
            f"{reference} is a table, not a config. Write a config for it with: sparse-keras init "
            f"{shown} --target COLUMN"
        )
    return f"{reference} is not a config; the name of a config file ends in .yaml or .yml"
