"""The shipped configs: where they lie and what they are called.

A config's name is its path under `configs/` without `.yaml`, such as `tabular/sparse_mlp_adult`.
"""

import difflib
import os
from pathlib import Path

from sparse_keras._shipped import shipped_folder
from sparse_keras.schema.errors import ConfigError


def find_configs():
    """The folder of the shipped configs."""
    return shipped_folder("configs")


def config_names():
    """The names of all shipped configs, sorted."""
    folder = find_configs()
    return sorted(
        path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")
    )


def nearest_names(name, n=3):
    """The n shipped names most like `name`, best first."""
    return difflib.get_close_matches(name, config_names(), n=n, cutoff=0.0)


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
    names = config_names()
    if reference in names:
        return reference, find_configs() / f"{reference}.yaml"
    if reference.endswith(".yaml"):
        path = Path(folder, os.path.expanduser(reference))
        if path.is_file():
            return path.stem, path
        stem = reference.removesuffix(".yaml")
        hint = f" (did you mean the shipped config {stem!r}?)" if stem in names else ""
        raise ConfigError(f"no such file: {path}{hint}")
    nearest = ", ".join(nearest_names(reference))
    raise ConfigError(
        f"unknown config {reference!r}; the nearest names are {nearest}. "
        "`sparse-keras list` shows all; a path to a file of your own ends in .yaml"
    )
