"""Which runs are in a folder, which is the newest, and which can be resumed."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sparse_keras._internal.atomic import is_abandoned_name
from sparse_keras.training.runs.folder import ENVIRONMENT, RunFolder

if TYPE_CHECKING:
    from sparse_keras.schema import Config

OUTPUT = "runs"  # The folder in which `train` makes the folders of runs, by default.
LAST = "last"  # What stands for the newest run on the command line.

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d\d)(?:_\d+)?")
_MOST_FOLDERS = 20_000  # to look into


def run_folders_below(folder: str | os.PathLike) -> Iterator[Path]:
    """Yields the folders of runs below a folder, whole or damaged, at any depth.

    Hidden folders, among them those that are only being created, and the folders within a run are
    left out.
    """
    for count, (path, inner, files) in enumerate(os.walk(folder)):
        if ENVIRONMENT in files:
            yield Path(path)
            inner.clear()
        if count == _MOST_FOLDERS:
            return
        inner[:] = sorted(name for name in inner if not name.startswith("."))


def by_start(run: RunFolder) -> tuple:
    """The key by which runs are sorted from the oldest start to the newest.

    The time is in the name of the folder; of a folder that was renamed it is that of its
    `environment.json`. Among runs of a config that were started within a second, their number
    decides.
    """
    number = 0
    with contextlib.suppress(ValueError):  # A damaged run has none.
        number = run.number
    return started_at(run), number, _numbers(run.path)


def started_at(run: RunFolder) -> str:
    """The local time at which a run was started, such as "2026-01-31 12:00:00"."""
    if match := _TIME.fullmatch(run.path.name):
        year, month, day, *clock = match.groups()
        return f"{year}-{month}-{day} {':'.join(clock)}"
    seconds = (run.path / ENVIRONMENT).stat().st_mtime
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def newest_finished_run(output: str | os.PathLike = OUTPUT) -> RunFolder:
    """Finds the run, of any config, that was started last of those that are finished.

    Args:
        output: The folder that `train` was given.

    Raises:
        ValueError: If there is none.
    """
    runs = [RunFolder(path) for path in run_folders_below(output)]
    finished = [run for run in runs if _can_be_used(run)]
    if finished:
        return max(finished, key=by_start)
    others = f"; of its {len(runs)} runs none has finished" if runs else ""
    raise ValueError(
        f"{LAST!r} is the newest finished run in the folder {str(output)!r}, in which there is "
        f"none{others}. Train one, or name the folder of a run."
    )


def runs_in(parent: Path) -> list[RunFolder]:
    """The runs in a folder, without those that are damaged or only being created."""
    runs = []
    for path in parent.glob("*"):
        if not is_abandoned_name(path.name):
            with contextlib.suppress(ValueError, OSError):
                RunFolder(path).read_environment()
                runs.append(RunFolder(path))
    return runs


def _can_be_used(run):
    """Whether a run is finished, and nothing of it is damaged or missing."""
    try:
        run.read_environment()
        run.read_metrics()
    except (ValueError, OSError):
        return False
    return run.model_file.is_file()


def unfinished_runs(
    output: str | os.PathLike, config: Config
) -> tuple[list[RunFolder], list[RunFolder]]:
    """Finds the unfinished runs of a config, and those of other values under its name.

    Args:
        output: The folder that `train` was given.
        config: The `Config`.

    Returns:
        `(same, other)`: the runs of this config, and the other ones; each the newest first.
    """
    runs = [run for run in runs_in(Path(output) / config.name) if not run.is_finished]
    runs.sort(key=lambda run: (run.number, _numbers(run.path)), reverse=True)
    same = [run for run in runs if run.read_environment()["config_hash"] == config.hash]
    return same, [run for run in runs if run not in same]


def newest_unfinished_run(output: str | os.PathLike, config: Config) -> RunFolder:
    """Finds the newest run of a config that is not finished.

    Args:
        output: The folder that `train` was given.
        config: The `Config`.

    Raises:
        ValueError: If there is none.
    """
    same, other = unfinished_runs(output, config)
    if same:
        return same[0]
    parent = str(Path(output) / config.name)
    raise ValueError(
        f"There is no unfinished run of this config in {parent!r}. Without --resume a new one "
        f"is started.{_resume_others(other)}"
    )


def _resume_others(runs):
    """Says how to resume unfinished runs of other values."""
    if not runs:
        return ""
    more = f" (and {len(runs) - 1} older)" if len(runs) > 1 else ""
    values = runs[0].read_environment()["command"]
    values = "" if values is None else f", started with `{values}`"
    return (
        f" Another one, of other values, is not finished{values}. Resume it with: "
        f"{runs[0].resuming_command}{more}"
    )


def _numbers(path):
    """Sorts `..._10` after `..._9`."""
    return [int(part) for part in re.findall(r"\d+", path.name)]
