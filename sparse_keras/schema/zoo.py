"""The shipped configs: their names and their files.

The name of a config is its path under `configs/` without `.yaml`, such as
`tabular/sparse_mlp_adult`. The names of configs from an installed package (entry point group
`sparse_keras.configs`) start with the name of the entry point.
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
        reference: The name of a shipped config, or a path that ends in `.yaml`.
        folder: The folder at which a relative path starts. Defaults to the working directory.

    Returns:
        `(name, path)`: the name of the shipped config or the stem of the file, and its `Path`.

    Raises:
        ConfigError: If there is no such config and no such file.
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
