"""Which runs are in a folder, and which of them can be resumed."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sparse_keras._internal.atomic import is_abandoned_name
from sparse_keras.training.runs.folder import RunFolder

if TYPE_CHECKING:
    from sparse_keras.schema import Config


def runs_in(parent: Path) -> list[RunFolder]:
    """The runs in a folder, without those that are damaged or only being created."""
    runs = []
    for path in parent.glob("*"):
        if not is_abandoned_name(path.name):
            with contextlib.suppress(ValueError, OSError):
                RunFolder(path).read_environment()
                runs.append(RunFolder(path))
    return runs


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
