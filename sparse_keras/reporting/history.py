"""The logs of the epochs, and which epoch was the best."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparse_keras.tasks.scores import log_names

if TYPE_CHECKING:
    from sparse_keras.schema import Config
    from sparse_keras.tasks import Task
    from sparse_keras.training.runs.folder import RunFolder


@dataclass(frozen=True)
class History:
    """The logs of the epochs of a run.

    Attributes:
        logs: Dict from the name of each log to its values, one for each epoch; NaN where an epoch
            has none.
        epochs: Number of epochs.
        planned: Number of epochs that the config asks for; the last may be a part of one.
        monitor: The log that decides which epoch is the best; `None` without validation.
        best: The best epoch, counted from 1, or `None`.
        kept: The epoch whose weights the model has.
        main: Names of the logs to show beside the loss: the main metric of the first target.
        patience: Of early stopping, in epochs; `None` without.
    """

    logs: dict[str, list[float]]
    epochs: int
    planned: int
    monitor: str | None
    best: int | None
    kept: int
    main: str | None
    patience: int | None

    @property
    def stopped_early(self) -> bool:
        """Whether early stopping ended the training."""
        return self.epochs < self.planned


def read_history(
    folder: RunFolder, config: Config, task: Task, main: str | None, planned: int
) -> History:
    """Reads the logs of a run.

    Args:
        folder: The `RunFolder`.
        config: Its `Config`.
        task: The task of its data.
        main: The name by which Keras logs the main metric of the first target, without "val_".
        planned: Number of epochs that the config asks for.
    """
    logs = {}
    file = folder.path / "history.csv"
    if file.is_file():
        with open(file, encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                for name, value in row.items():
                    logs.setdefault(name, []).append(_number(value))
    epochs = len(logs.pop("epoch", ()))
    stopping = config.training.early_stopping
    monitor = "val_loss" if stopping is None else stopping.monitor
    best = None
    if monitor in logs:
        best_of = {name: info.best for name, info in log_names(task).items()} | task.directions()
        sign = -1.0 if best_of.get(monitor.removeprefix("val_"), "min") == "max" else 1.0
        values = [math.inf if math.isnan(value) else sign * value for value in logs[monitor]]
        best = 1 + values.index(min(values))
    ended_with_best = (folder.path / "last.keras").is_file()
    return History(
        logs=logs,
        epochs=epochs,
        planned=planned,
        monitor=monitor if monitor in logs else None,
        best=best,
        kept=best if ended_with_best and best is not None else epochs,
        main=main if main in logs else None,
        patience=None if stopping is None else stopping.patience,
    )


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError):  # An empty cell.
        return math.nan
