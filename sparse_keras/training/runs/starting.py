"""start_run: the folder of a new run, whole from the beginning."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import sparse_keras
from sparse_keras._internal.atomic import new_folder, write_text
from sparse_keras.schema.plugins import imported_plugins
from sparse_keras.training.runs.finding import runs_in
from sparse_keras.training.runs.folder import (
    CONFIG,
    ENVIRONMENT,
    RunFolder,
    import_arguments,
    json_text,
)
from sparse_keras.training.runs.identity import identity_of

if TYPE_CHECKING:
    from sparse_keras.data import Dataset
    from sparse_keras.schema import Config


def start_run(output: str | os.PathLike, config: Config, backend: str, data: Dataset) -> RunFolder:
    """Creates the folder of a new run, from which it can be resumed.

    It is named by the time, and is never one that is there already. It appears with all its
    files at once, so that a folder without them is none of a run.

    Args:
        output: The folder to create it in, under the name of the config.
        config: The `Config`.
        backend: The Keras backend that trains.
        data: The data set.

    Raises:
        ValueError: If no folder can be created.
    """
    parent = Path(output) / config.name
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(
            f"Expected a folder for runs. Received: {str(output)!r}; {str(parent)!r} cannot be "
            "created, since a part of it is a file."
        ) from None
    packages = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn")
    environment = {
        "config": config.name,
        "config_hash": config.hash,
        **identity_of(config, data),
        # Which run is the newest must not depend on the clock.
        "number": 1 + max((run.number for run in runs_in(parent)), default=0),
        "command": reproducing_command(config),
        "imports": imported_plugins(),
        "seed": config.training.seed,
        "backend": backend,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "sparse_keras": sparse_keras.__version__,
        **{name: _version(name) for name in packages},
    }
    stem = time.strftime("%Y-%m-%d_%H-%M-%S")
    for attempt in range(1000):
        path = parent / (stem if attempt == 0 else f"{stem}_{attempt}")
        if os.path.lexists(path):
            continue
        with contextlib.suppress(FileExistsError), new_folder(path) as folder:
            write_text(folder / "config.yaml", config.source_text)
            write_text(folder / CONFIG, config.to_yaml(path))
            write_text(folder / ENVIRONMENT, json_text(environment))
        if (path / ENVIRONMENT).is_file():
            return RunFolder(path)
    raise ValueError(f"Cannot create a folder for this run in {str(parent)!r}.")


def reproducing_command(config: Config) -> str | None:
    """The command line that repeats a run, or `None` for a config made in Python."""
    if config.reference is None:
        return None
    overrides = [part for override in config.overrides for part in ("--set", override)]
    return shlex.join(
        ["sparse-keras", "train", str(config.reference), *overrides, *import_arguments()]
    )


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
