"""The shipped configs: where they lie and what they are called.

A config's name is its path under `configs/` without `.yaml`, such as `tabular/sparse_mlp_adult`.
Those that an installed package contributes (the entry point group `sparse_keras.configs`) start
with the name of the entry point.
"""

import functools
import importlib.util
import os
import warnings
from importlib import metadata
from pathlib import Path

from sparse_keras._internal.shipped import shipped_folder
from sparse_keras._internal.suggest import nearest
from sparse_keras.schema.core.errors import ConfigError

CONFIGS = "sparse_keras.configs"


def find_configs():
    """The folder of the shipped configs."""
    return shipped_folder("configs")


def config_names():
    """The names of all shipped configs, sorted."""
    return sorted(_files())


def config_file(name):
    """The file of a shipped config, None if there is no such config."""
    return _files().get(name)


def _files():
    """Name -> file, for our configs and those of installed packages."""
    files = {}
    for prefix, folder in [("", find_configs()), *_contributed()]:
        for path in folder.rglob("*.yaml"):
            name = prefix + path.relative_to(folder).with_suffix("").as_posix()
            files.setdefault(name, path)
    return files


def contributed_folder(entry):
    """The folder that an entry point of `sparse_keras.configs` means.

    It is found without executing the package; only its parents are imported.

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


def nearest_names(name, n=3):
    """The n shipped names most like `name`, best first."""
    return nearest(name, config_names(), n=n, cutoff=0.0)


def locate(reference, folder=""):
    """Finds the file that a reference means.

    Args:
        reference: the name of a shipped config, or a path that ends in `.yaml`; nothing else.
        folder: the folder that a relative path starts from; the working directory by default.

    Returns:
        `(name, path)`: the zoo name or the file's stem, and the `Path` of the file.

    Raises:
        ConfigError: neither a shipped name nor an existing file.
    """
    reference = os.fspath(reference)
    shipped = config_file(reference)
    if shipped is not None:
        return reference, shipped
    if reference.endswith(".yaml"):
        path = Path(folder, os.path.expanduser(reference))
        if path.is_file():
            return path.stem, path
        stem = reference.removesuffix(".yaml")
        hint = f" (did you mean the shipped config {stem!r}?)" if config_file(stem) else ""
        raise ConfigError(f"no such file: {path}{hint}")
    if Path(folder, f"{reference}.yaml").is_file():
        raise ConfigError(f"unknown config {reference!r} (did you mean the file {reference}.yaml?)")
    nearest = ", ".join(nearest_names(reference))
    raise ConfigError(
        f"unknown config {reference!r}; the nearest names are {nearest}. "
        "`sparse-keras list` shows all; a path to a file of your own ends in .yaml"
    )
