"""The folder of a run: what is written into it, and whether a training can go on in it.

Without Keras, so that the command line can tell a mistake before that has started.
"""

import contextlib
import csv
import io
import json
import platform
import re
import shlex
import sys
import time
from importlib import metadata
from pathlib import Path

import sparse_keras
from sparse_keras._internal.atomic import write_text
from sparse_keras.schema.plugins import imported_plugins

MODEL_FILE = "model.keras"
CHECKPOINTS = "checkpoints"
_CONFIG_FILE = "resolved.yaml"
_ENVIRONMENT = "environment.json"
_WRITTEN = {"config", "config_hash", "data_digest", "backend", "command"}  # at least
_METRICS = "metrics.json"  # Written last: the mark of a finished run.


def new_folder(parent):
    """A folder of its own for this run, named by the time; never one that is there already."""
    stem = time.strftime("%Y-%m-%d_%H-%M-%S")
    for attempt in range(1000):
        folder = parent / (stem if attempt == 0 else f"{stem}_{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise ValueError(f"Cannot make a folder for this run in {str(parent)!r}.")


def write_inputs(folder, config, backend, data_digest):
    """Writes the config and what it is trained with. From then on the run can be resumed."""
    write_text(folder / "config.yaml", config.source_text)
    write_text(folder / _CONFIG_FILE, config.to_yaml())
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
    write_text(folder / _ENVIRONMENT, _json(environment))


def write_history(folder, rows):
    """Writes `history.csv`: a line for each epoch's logs, a list of dicts."""
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["epoch", *columns])
    writer.writeheader()
    writer.writerows({"epoch": epoch, **row} for epoch, row in enumerate(rows, start=1))
    write_text(folder / "history.csv", text.getvalue())


def write_metrics(folder, metrics):
    """Writes the test metrics, which marks the run as finished."""
    write_text(folder / _METRICS, _json(metrics))


def is_finished(folder):
    """Whether the training in a run's folder came to its end."""
    return (folder / _METRICS).is_file()


def reproducing_command(config):
    """The command line that repeats a run, or None for a config that was made in Python."""
    if config.reference is None:
        return None
    overrides = [part for override in config.overrides for part in ("--set", override)]
    return shlex.join(["sparse-keras", "train", str(config.reference), *overrides, *_imports()])


def resuming_command(folder):
    """The command line that goes on with a training."""
    return shlex.join(["sparse-keras", "train", "--resume", str(folder), *_imports()])


def environment_of(folder):
    """What `environment.json` of a run says.

    Raises:
        ValueError: If the folder is none of a run.
    """
    file = folder / _ENVIRONMENT
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"Expected the folder of a run, in which there is a file {_ENVIRONMENT}. "
            f"Received: {str(folder)!r}."
        ) from None
    except ValueError:  # not UTF-8, or not JSON
        content = None
    if not (isinstance(content, dict) and _WRITTEN <= set(content)):
        raise ValueError(f"{file} is damaged: it does not hold what `train` writes there.")
    return content


def config_of_model(folder):
    """The file with every value of the config of a run that has its model.

    Raises:
        ValueError: If the folder is none of a run, or has no model yet.
    """
    environment_of(folder)
    if not (folder / MODEL_FILE).is_file():
        raise ValueError(
            f"The run {str(folder)!r} has no model yet: it is not finished. Go on with it by: "
            f"{resuming_command(folder)}"
        )
    return folder / _CONFIG_FILE


def config_to_resume(folder):
    """The file with every value of the config of an unfinished run.

    Raises:
        ValueError: If the folder is none of a run, or its training is finished.
    """
    environment_of(folder)
    if is_finished(folder):
        raise ValueError(
            f"The run {str(folder)!r} is finished: it has its {_METRICS}, and nothing is left to "
            "resume."
        )
    return folder / _CONFIG_FILE


def check_resumable(folder, config, data_digest=None, backend=None):
    """Checks that a config can go on training in a run's folder.

    Args:
        folder: The run's folder.
        config: The `Config`.
        data_digest: Of the data to go on with, where it is read already.
        backend: The Keras backend to go on with, where it is known already.

    Raises:
        ValueError: If not; it says why.
    """
    own = config_to_resume(folder)
    expected = environment_of(folder)["config_hash"]
    if expected != config.hash:
        raise ValueError(
            f"The run {str(folder)!r} was started with another config: its hash is "
            f"{expected[:12]}, that of {config.name!r} is {config.hash[:12]}. "
            f"load_config({str(own)!r}) has the values to go on with."
        )
    started = environment_of(folder)["backend"]
    if backend not in (None, started):
        raise ValueError(
            f"The run {str(folder)!r} was started on {started}, and this is {backend}, whose "
            f"numbers are others. Go on with it under KERAS_BACKEND={started}."
        )
    if data_digest not in (None, environment_of(folder)["data_digest"]):
        raise ValueError(
            f"The data of {config.name!r} are no longer those that the run {str(folder)!r} was "
            "started with, so it cannot go on as if it had not been cut off. Start a new run."
        )


def newest_unfinished(output, config):
    """The newest run of a config whose training did not come to its end.

    Args:
        output: The folder that `train` was given.
        config: The `Config`.

    Returns:
        The run's folder, a `pathlib.Path`.

    Raises:
        ValueError: If there is none.
    """
    parent = Path(output) / config.name
    for folder in sorted(parent.glob("*"), key=_number, reverse=True):
        if is_finished(folder):
            continue
        with contextlib.suppress(ValueError):  # none of a run, or damaged
            if environment_of(folder)["config_hash"] == config.hash:
                return folder
    raise ValueError(
        f"There is no unfinished run of this config in {str(parent)!r}. Without --resume a new one "
        "is started."
    )


def _number(folder):
    """Sorts `..._10` after `..._9`."""
    return [int(part) for part in re.findall(r"\d+", folder.name)]


def _imports():
    return [part for module in imported_plugins() for part in ("--import", module)]


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _json(content):
    return json.dumps(content, indent=2) + "\n"
