"""list_runs: the runs below a folder, and what tells them apart. Without Keras."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sparse_keras.schema.core.errors import ConfigError, Source
from sparse_keras.schema.core.text import parse
from sparse_keras.training.runs.finding import by_start, run_folders_below, started_at
from sparse_keras.training.runs.folder import CONFIG, RunFolder

SECONDS = "fit_seconds"
# The metric that stands for a run: the first of these that it has, else the first that it has.
_MAIN = ("auc", "accuracy", "rmse")
# Of the values of a config, those that name it or its place say nothing of how it differs.
_NO_DIFFERENCE = ("description", "version")


@dataclass(frozen=True)
class RunListing:
    """What a list of runs says of one.

    Attributes:
        path: The folder.
        config: The name of the config; `None` if the run is damaged.
        started: The local time, such as "2026-01-31 12:00:00".
        state: "finished", "unfinished" (in training, or interrupted) or "damaged".
        problem: What is wrong with a damaged run, a sentence; else `None`.
        metrics: Dict with the test metrics of a finished run.
        seconds: Seconds of training of a finished run, else `None`.
        config_hash: The identity of the config; `None` if the run is damaged.
        differences: Dict of the values of the config that are not the same in all listed runs of
            that name, by the paths of their keys.
    """

    path: Path
    config: str | None
    started: str
    state: Literal["finished", "unfinished", "damaged"]
    problem: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    seconds: float | None = None
    config_hash: str | None = None
    differences: dict[str, Any] = field(default_factory=dict)

    @property
    def main_metric(self) -> tuple[str, float | None] | None:
        """The name and the value of one metric to show; `None` without metrics.

        It is the first AUC, otherwise the first accuracy or RMSE, of the targets in their order.
        """
        names = [name for name in self.metrics if not f"_{name}".endswith("_loss")]
        for main in _MAIN:
            for name in names:
                if f"_{name}".endswith(f"_{main}"):
                    return name, self.metrics[name]
        return (names[0], self.metrics[names[0]]) if names else None


def list_runs(folder: str | os.PathLike) -> list[RunListing]:
    """Lists the runs below a folder, the newest first.

    Args:
        folder: The folder, such as that which `train` was given.

    Returns:
        A list of `RunListing`, with those that are damaged.

    Raises:
        ValueError: If there is no such folder.
    """
    if not os.path.isdir(folder):
        raise ValueError(f"Expected a folder with runs. There is no folder {str(folder)!r}.")
    runs = [RunFolder(path) for path in run_folders_below(folder)]
    listed = [_listing(run) for run in sorted(runs, key=by_start, reverse=True)]
    return _with_differences(listed)


def _listing(run):
    shown = {"path": run.path, "started": started_at(run)}
    try:
        environment = run.read_environment()
        metrics = run.read_metrics() if run.is_finished else None
    except (ValueError, OSError) as error:
        return RunListing(config=None, state="damaged", problem=str(error), **shown)
    shown |= {"config": environment["config"], "config_hash": environment["config_hash"]}
    if metrics is None:
        return RunListing(state="unfinished", **shown)
    seconds = metrics.pop(SECONDS, None)
    if not run.model_file.is_file():
        problem = f"its {run.model_file.name} has been removed"
        return RunListing(
            state="damaged", problem=problem, metrics=metrics, seconds=seconds, **shown
        )
    return RunListing(state="finished", metrics=metrics, seconds=seconds, **shown)


def _with_differences(runs: Sequence[RunListing]) -> list[RunListing]:
    """The runs with those values that are not the same in all runs of a config's name."""
    values = {}  # by the hash, which is the same for the same values
    hashes = {}
    for run in runs:
        hashes.setdefault(run.config, {}).setdefault(run.config_hash, run.path)
    for name, paths in hashes.items():
        if name is not None and len(paths) > 1:
            values[name] = {key: _flat_values(path / CONFIG) for key, path in paths.items()}
    listed = []
    for run in runs:
        own, all_of_name = {}, values.get(run.config, {})
        if run.config_hash in all_of_name:
            keys = {key for flat in all_of_name.values() for key in flat}
            mine = all_of_name[run.config_hash]
            own = {
                key: mine[key]
                for key in sorted(keys & mine.keys())
                if any(flat.get(key) != mine[key] for flat in all_of_name.values())
            }
        listed.append(RunListing(**{**vars(run), "differences": own}))
    return listed


def _flat_values(file):
    """The values of a resolved config by the paths of their keys; empty if it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
        values, _ = parse(text, Source.of_text(str(file), text))
    except (OSError, ValueError, ConfigError):
        return {}
    return dict(_flattened(values.plain()))


def _flattened(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        elif prefix or key not in _NO_DIFFERENCE:
            yield f"{prefix}{key}", value
