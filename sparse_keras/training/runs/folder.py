"""RunFolder: what a run's folder holds, and whether a training can resume in it.

Without Keras, so that the command line can report a mistake before Keras starts.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import platform
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparse_keras
from sparse_keras._internal.atomic import replacing, write_text
from sparse_keras.schema.plugins import imported_plugins
from sparse_keras.training.runs.lock import only_process

if TYPE_CHECKING:
    import keras

    from sparse_keras.schema import Config

_MODEL = "model.keras"
_CONFIG = "resolved.yaml"
_ENVIRONMENT = "environment.json"
_REQUIRED_KEYS = {"config", "config_hash", "data_digest", "backend", "command"}  # at least
_METRICS = "metrics.json"  # Written last: the mark of a finished run.


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder. It may be missing, or not be a run's: each method checks what it needs.

    Attributes:
        path: The folder, a `pathlib.Path`.
        checkpoints: The folder of its checkpoints, removed when the run is finished.
        tensorboard: The folder of its logs for TensorBoard, if there are any.
        model_file: The file of the trained model.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.model_file = self.path / _MODEL

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def start(
        cls, output: str | os.PathLike, config: Config, backend: str, data_digest: str
    ) -> RunFolder:
        """Creates the folder of a new run, from which it can be resumed.

        It is named by the time, and is never one that is there already.

        Args:
            output: The folder to create it in, under the name of the config.
            config: The `Config`.
            backend: The Keras backend that trains.
            data_digest: The digest of the data.

        Raises:
            ValueError: If no folder can be created.
        """
        folder = cls(_new_folder(Path(output) / config.name))
        write_text(folder.path / "config.yaml", config.source_text)
        write_text(folder.path / _CONFIG, config.to_yaml())
        packages = ("keras", "tensorflow", "jax", "torch", "numpy", "pandas", "scikit-learn")
        environment = {
            "config": config.name,
            "config_hash": config.hash,
            "data_digest": data_digest,
            "command": reproducing_command(config),
            "imports": imported_plugins(),
            "seed": config.training.seed,
            "backend": backend,
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            "sparse_keras": sparse_keras.__version__,
            **{name: _version(name) for name in packages},
        }
        write_text(folder.path / _ENVIRONMENT, _json(environment))
        return folder

    @classmethod
    def newest_unfinished(cls, output: str | os.PathLike, config: Config) -> RunFolder:
        """Finds the newest run of a config that is not finished.

        Args:
            output: The folder that `train` was given.
            config: The `Config`.

        Raises:
            ValueError: If there is none.
        """
        parent = Path(output) / config.name
        for path in sorted(parent.glob("*"), key=_numbers, reverse=True):
            folder = cls(path)
            if folder.is_finished:
                continue
            with contextlib.suppress(ValueError):  # not a run, or damaged
                if folder.read_environment()["config_hash"] == config.hash:
                    return folder
        raise ValueError(
            f"There is no unfinished run of this config in {str(parent)!r}. Without --resume a new "
            "one is started."
        )

    @property
    def is_finished(self) -> bool:
        """Whether the training came to its end."""
        return (self.path / _METRICS).is_file()

    def read_environment(self) -> dict[str, Any]:
        """Reads `environment.json`.

        Raises:
            ValueError: If the folder is not that of a run.
        """
        file = self.path / _ENVIRONMENT
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(
                f"Expected the folder of a run, in which there is a file {_ENVIRONMENT}. "
                f"Received: {str(self.path)!r}."
            ) from None
        except ValueError:  # not UTF-8, or not JSON
            content = None
        if not (isinstance(content, dict) and _REQUIRED_KEYS <= set(content)):
            raise ValueError(f"{file} is damaged: it does not hold what `train` writes there.")
        return content

    @property
    def resuming_command(self) -> str:
        """The command line that resumes the run."""
        return shlex.join(["sparse-keras", "train", "--resume", str(self.path), *_imports()])

    def config_of_model(self) -> Path:
        """The file with every value of the config, of a run that has its model.

        Raises:
            ValueError: If the folder is not that of a run, or has no model yet.
        """
        self.read_environment()  # It raises if this is not a run.
        if not self.model_file.is_file():
            raise ValueError(
                f"The run {str(self.path)!r} has no model yet: it is not finished. Resume it with: "
                f"{self.resuming_command}"
            )
        return self.path / _CONFIG

    def config_to_resume(self) -> Path:
        """The file with every value of the config, of a run that is not finished.

        Raises:
            ValueError: If the folder is not that of a run, or the run is finished.
        """
        self.read_environment()  # It raises if this is not a run.
        if self.is_finished:
            raise ValueError(
                f"The run {str(self.path)!r} is finished: it has its {_METRICS}, and nothing is "
                "left to resume."
            )
        return self.path / _CONFIG

    def check_resumable(
        self, config: Config, backend: str | None = None, data_digest: str | None = None
    ) -> None:
        """Checks that a config can resume the run.

        Args:
            config: The `Config`.
            backend: The Keras backend to resume with, if it is known already.
            data_digest: The digest of the data to resume with, if they are read already.

        Raises:
            ValueError: If not; it says why.
        """
        resolved, environment = self.config_to_resume(), self.read_environment()
        if environment["config_hash"] != config.hash:
            raise ValueError(
                f"The run {str(self.path)!r} was started with another config: its hash is "
                f"{environment['config_hash'][:12]}, that of {config.name!r} is "
                f"{config.hash[:12]}. Resume it with load_config({str(resolved)!r})."
            )
        if backend not in (None, environment["backend"]):
            raise ValueError(
                f"The run {str(self.path)!r} was started on {environment['backend']}, and this is "
                f"{backend}, which computes other numbers. Resume it with "
                f"KERAS_BACKEND={environment['backend']}."
            )
        if data_digest not in (None, environment["data_digest"]):
            raise ValueError(
                f"The data of {config.name!r} have changed since the run {str(self.path)!r} was "
                "started, so that it cannot be resumed. Start a new run."
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from training in the folder, except on Windows, and at the end
        removes the checkpoints of a run that is finished.

        Raises:
            ValueError: If another process is training in it.
        """
        self.checkpoints.mkdir(exist_ok=True)
        try:
            with only_process(self.checkpoints):
                yield
        finally:
            if self.is_finished:
                shutil.rmtree(self.checkpoints, ignore_errors=True)

    def write_history(self, rows: Sequence[dict[str, float]]) -> None:
        """Writes `history.csv`: a line for the logs of each epoch."""
        columns = dict.fromkeys(name for row in rows for name in row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ["epoch", *columns])
        writer.writeheader()
        writer.writerows({"epoch": epoch, **row} for epoch, row in enumerate(rows, start=1))
        write_text(self.path / "history.csv", text.getvalue())

    def save_model(self, model: keras.Model, name: str = _MODEL) -> None:
        """Saves a model, as a whole file or not at all."""
        with replacing(self.path / name) as partial:
            model.save(partial)

    def finish(self, metrics: dict[str, float | None]) -> None:
        """Writes the test metrics, which marks the run as finished."""
        write_text(self.path / _METRICS, _json(metrics))


def reproducing_command(config: Config) -> str | None:
    """The command line that repeats a run, or `None` for a config made in Python."""
    if config.reference is None:
        return None
    overrides = [part for override in config.overrides for part in ("--set", override)]
    return shlex.join(["sparse-keras", "train", str(config.reference), *overrides, *_imports()])


def _new_folder(parent):
    stem = time.strftime("%Y-%m-%d_%H-%M-%S")
    for attempt in range(1000):
        path = parent / (stem if attempt == 0 else f"{stem}_{attempt}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise ValueError(f"Cannot create a folder for this run in {str(parent)!r}.")


def _numbers(path):
    """Sorts `..._10` after `..._9`."""
    return [int(part) for part in re.findall(r"\d+", path.name)]


def _imports():
    return [part for module in imported_plugins() for part in ("--import", module)]


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _json(content):
    return json.dumps(content, indent=2) + "\n"
