"""RunFolder: what a run's folder holds, and whether a training can resume in it.

Without Keras, so that the command line can report a mistake before Keras starts.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_keras._internal.atomic import (
    remove_abandoned,
    replacing,
    write_text,
)
from sparse_keras.schema import load_config
from sparse_keras.schema.plugins import imported_plugins
from sparse_keras.training.runs.identity import changed_rows, changed_values
from sparse_keras.training.runs.lock import only_process

if TYPE_CHECKING:
    import keras

    from sparse_keras.data import Dataset
    from sparse_keras.schema import Config

_MODEL = "model.keras"
CONFIG = "resolved.yaml"
ENVIRONMENT = "environment.json"
_REQUIRED_KEYS = {"config", "config_hash", "data_digest", "backend", "command"}  # at least
METRICS = "metrics.json"  # Written last: the mark of a finished run.


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder. It may be missing, or not be a run's: each method checks what it needs.

    Attributes:
        path: The folder, a `pathlib.Path`.
        checkpoints: The folder of its checkpoints, removed when the run is finished.
        tensorboard: The folder of its logs for TensorBoard, if there are any.
        samples: The file of the texts that a language model wrote while it was trained.
        model_file: The file of the trained model.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.samples = self.path / "samples.jsonl"
        self.model_file = self.path / _MODEL

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def is_finished(self) -> bool:
        """Whether the training came to its end."""
        return (self.path / METRICS).is_file()

    @property
    def number(self) -> int:
        """The number of the run under its config's name, in the order of starts; 0 for runs of
        older versions."""
        number = self.read_environment().get("number")
        return number if isinstance(number, int) else 0

    def read_environment(self) -> dict[str, Any]:
        """Reads `environment.json`.

        Raises:
            ValueError: If the folder is not that of a run.
        """
        file = self.path / ENVIRONMENT
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(
                f"Expected the folder of a run, in which there is a file {ENVIRONMENT}. "
                f"Received: {str(self.path)!r}.{_newest_below(self.path)}"
            ) from None
        except (ValueError, RecursionError):  # not UTF-8, or not JSON
            content = None
        if not (isinstance(content, dict) and _REQUIRED_KEYS <= set(content)):
            raise ValueError(f"{file} is damaged: it does not hold what `train` writes there.")
        return content

    @property
    def resuming_command(self) -> str:
        """The command line that resumes the run."""
        return shlex.join(
            ["sparse-keras", "train", "--resume", str(self.path), *import_arguments()]
        )

    def config_of_model(self) -> Config:
        """Loads the config of a run that has its model.

        Raises:
            ValueError: If the folder is not that of a run, or has no model.
        """
        self.check_model()
        return self._load_config()

    def check_model(self) -> None:
        """Checks that the run has its model.

        Raises:
            ValueError: If the folder is not that of a run, or has no model.
        """
        self.read_environment()  # It raises if this is not a run.
        self._remove_checkpoints_if_finished()
        if self.model_file.is_file():
            return
        if self.is_finished:
            raise ValueError(f"{self._without_its_model()} {self._again()}")
        raise ValueError(
            f"The run {str(self.path)!r} has no model yet: it is not finished. Resume it with: "
            f"{self.resuming_command}"
        )

    def config_to_resume(self) -> Config:
        """Loads the config of a run that is not finished.

        Raises:
            ValueError: If the folder is not that of a run, its config has changed, or the run is
                finished.
        """
        self._check_not_finished()
        config = self._load_config()
        self._check_config(config)
        self._check_files(config)
        return config

    def check_resumable(
        self, config: Config, backend: str | None = None, data: Dataset | None = None
    ) -> None:
        """Checks that a config can resume the run.

        Args:
            config: The `Config`.
            backend: The Keras backend to resume with, if it is known already.
            data: The data set to resume with, if it is read already.

        Raises:
            ValueError: If not; it says why.
        """
        self._check_not_finished()
        environment = self.read_environment()
        if environment["config_hash"] != config.hash:
            raise ValueError(
                f"The run {str(self.path)!r} was started with another config: its hash is "
                f"{environment['config_hash'][:12]}, that of {config.name!r} is "
                f"{config.hash[:12]}. Resume it with load_config({str(self.path / CONFIG)!r})."
            )
        if backend not in (None, environment["backend"]):
            raise ValueError(
                f"The run {str(self.path)!r} was started on {environment['backend']}, and this is "
                f"{backend}, which computes other numbers. Resume it with "
                f"KERAS_BACKEND={environment['backend']}."
            )
        if data is None:
            return
        changed = changed_rows(environment, data)
        if changed is None and environment["data_digest"] != data.digest():
            changed = "the rows are the same, but they are encoded otherwise"
        if changed is not None:
            raise ValueError(
                f"The data of {config.name!r} have changed since the run {str(self.path)!r} was "
                f"started: {changed}, so that it cannot be resumed. Start a new run, or restore "
                f"{_listed(config.files())}."
            )

    def check_unchanged(
        self, config: Config, data: Dataset | None = None, instead: str = ""
    ) -> None:
        """Checks that the config and the data of the run are those that it was trained with.

        Otherwise rows that the model was trained on could be scored as test rows.

        Args:
            config: What `config_of_model` returned.
            data: The data set, if it is read already.
            instead: What to do without the run's own data, a sentence for the message.

        Raises:
            ValueError: If they have changed, or a file is not there.
        """
        self._check_config(config, instead)
        self._check_files(config, instead)
        if data is not None and (changed := changed_rows(self.read_environment(), data)):
            raise ValueError(
                f"The data of the run {str(self.path)!r} have changed since it was trained: "
                f"{changed}. What is called its test rows now may be rows that it was trained on. "
                f"Restore {_listed(config.files())}. {instead}".rstrip()
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from training in the folder, except on Windows, and at the end
        removes the checkpoints of a run that is finished.

        Raises:
            ValueError: If another process is training in it, or the folder of the checkpoints is a
                link to another one.
        """
        if self.checkpoints.is_symlink():
            raise ValueError(
                f"{str(self.checkpoints)!r} is a symbolic link. Expected a folder, in which "
                "training writes and removes files. Replace the link by what it points to."
            )
        self.checkpoints.mkdir(exist_ok=True)
        try:
            with only_process(self.checkpoints):
                for folder in (self.path, self.checkpoints):
                    remove_abandoned(folder)
                yield
        finally:
            if self.is_finished:
                self._remove_checkpoints()

    def read_metrics(self) -> dict[str, Any]:
        """Reads the test metrics and the seconds of training of a finished run.

        Raises:
            ValueError: If the file is damaged.
        """
        file = self.path / METRICS
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise ValueError(f"{file} is damaged: it does not hold what `train` writes there.")
        return content

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
        write_text(self.path / METRICS, json_text(metrics))

    def _load_config(self):
        """Loads the config. A data file that is not where the config says, seen from the folder,
        may be where it was when the run was started."""
        file = self.path / CONFIG
        config, before = load_config(file), self._files_before()
        found = [
            f"{key}={json.dumps(before[key], ensure_ascii=False)}"
            for key in config.missing_files()
            if os.path.exists(path := before.get(key, "")) or glob.glob(path, recursive=True)
        ]
        return load_config(file, found) if found else config

    def _files_before(self):
        files = self.read_environment().get("files")
        files = files if isinstance(files, dict) else {}
        return {key: path for key, path in files.items() if isinstance(path, str)}

    def _check_not_finished(self):
        self.read_environment()  # It raises if this is not a run.
        if not self.is_finished:
            return
        self._remove_checkpoints_if_finished()
        if not self.model_file.is_file():
            raise ValueError(f"{self._without_its_model()} {self._again()}")
        raise ValueError(
            f"The run {str(self.path)!r} is finished: it has its {METRICS}, and nothing is "
            "left to resume."
        )

    def _without_its_model(self):
        return (
            f"The run {str(self.path)!r} is finished, since it has its {METRICS}, but its "
            f"{_MODEL} has been removed."
        )

    def _again(self):
        command = self.read_environment()["command"]
        how = "" if command is None else f" with: {command}"
        return f"Restore the file, or train again{how}"

    def _check_config(self, config, instead=""):
        file = self.path / CONFIG
        if changed_values(self.read_environment(), file.read_text(encoding="utf-8"), config):
            raise ValueError(
                f"{str(file)!r} has changed since the run was started, other than where its data "
                "are. With other values, the rows may be split otherwise. Restore the file. "
                f"{instead}".rstrip()
            )

    def _check_files(self, config, instead=""):
        before = self._files_before()
        for key, path in config.missing_files().items():
            nor = ""
            if before.get(key, path) != path:
                nor = f", and none at {before[key]!r}, where it was when the run was started"
            raise ValueError(
                f"The data of the run {str(self.path)!r} are not found: there is no file "
                f"{path!r}{nor}. Put it there, or edit {key} in {str(self.path / CONFIG)!r} "
                f"without changing the name of the file. {instead}".rstrip()
            )

    def _remove_checkpoints(self):
        if self.checkpoints.is_symlink():
            self.checkpoints.unlink()  # What it points to belongs to somebody else.
        else:
            shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _remove_checkpoints_if_finished(self):
        """Does what a process could not that was killed right after the run was finished."""
        if self.is_finished and os.path.lexists(self.checkpoints):
            # It may still be at it, and files may be read-only.
            with contextlib.suppress(ValueError, OSError), only_process(self.checkpoints):
                self._remove_checkpoints()


def _newest_below(folder, most=1000):
    """Names the newest of the runs in a folder, at most three folders down."""
    folders, found = [folder], []
    for _ in range(3):
        below = []
        for parent in folders[:most]:
            with contextlib.suppress(OSError):
                below += [path for path in parent.iterdir() if path.is_dir()]
        folders = [path for path in below if not path.name.startswith(".")]
        found += [path for path in folders[:most] if (path / ENVIRONMENT).is_file()]
    if not found:
        return ""
    newest = max(found, key=lambda path: (path / ENVIRONMENT).stat().st_mtime_ns)
    return f" The newest run in it is {str(newest)!r}."


def _listed(files):
    """Names the data files to restore."""
    return " and ".join(map(repr, files.values())) or "them"


def import_arguments() -> list[str]:
    """The arguments of a command line that import the plug-ins of this process."""
    return [part for module in imported_plugins() for part in ("--import", module)]


def json_text(content: dict) -> str:
    """Returns JSON as it stands in the files of a run."""
    return json.dumps(content, indent=2) + "\n"
