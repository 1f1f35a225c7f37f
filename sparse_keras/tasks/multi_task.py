"""MultiTask: several tasks that one model learns together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.tasks.base import Task
from sparse_keras.tasks.single_task import SingleTask


@keras.saving.register_keras_serializable(package="sparse_keras")
@dataclasses.dataclass(frozen=True)
class MultiTask(Task):
    """Several tasks. A model predicts a dict with an array for each.

    Labels and weights of examples are dicts by name of the task as well; an example whose weight
    for a task is 0 has no label for it.

    Args:
        name: What the tasks are called together.
        tasks: The tasks, at least two with different names.
    """

    name: str = "targets"
    tasks: tuple[SingleTask, ...] = ()

    kind: ClassVar[str] = "multitask"

    def __post_init__(self):
        object.__setattr__(self, "tasks", tuple(self.tasks))
        names = self.names
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(
                f"A MultiTask has at least two tasks with different names. Received: "
                f"{listing(names) or 'none'}."
            )
        columns = [
            column for task in self.tasks for column in getattr(task, "labels", (task.name,))
        ]
        if twice := {column for column in columns if columns.count(column) > 1}:
            raise ValueError(
                "The tasks of a MultiTask must have different names and labels, which name the "
                f"columns of predictions. Received twice: {listing(sorted(map(str, twice)))}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tasks: the keys of what a model returns."""
        return tuple(task.name for task in self.tasks)

    def single_tasks(self):
        return self.tasks

    def compile_arguments(self, section=None, weighted=False):
        """As for other tasks, with a loss and metrics for each task by its name.

        Args:
            section: Dict from task name to a validated section. `None`, and for tasks that it does
                not name: the default loss.
            weighted: Ignored: there are weights always, since labels may be missing.
        """
        if not (section is None or isinstance(section, dict)):
            raise ValueError(
                f"training.loss must name a loss for each of several targets, such as "
                f"{{{self.names[0]}: {{type: {section.type}}}}}, or be null for the usual ones. "
                f"Received one loss, {section.type}, for {listing(self.names)}."
            )
        sections = section or {}
        self.check_names("training.loss", sections)
        return {
            "loss": {task.name: task.loss(sections.get(task.name), True) for task in self.tasks},
            "weighted_metrics": {task.name: task.metrics() for task in self.tasks},
        }

    def directions(self):
        directions = {"loss": "min"}
        for task in self.tasks:
            directions |= {f"{task.name}_{log}": best for log, best in task.directions().items()}
        return directions

    @property
    def threshold(self) -> dict[str, Any] | None:
        """Dict from each task that has a threshold to it; `None` if none has."""
        of_tasks = {task.name: task.threshold for task in self.tasks}
        return {name: one for name, one in of_tasks.items() if one is not None} or None

    def with_threshold(self, threshold):
        return self._with(threshold, lambda task, one: task.with_threshold(one))

    def tuned(self, criterion, y, predictions, weight=None):
        def tune(task, criterion):
            of_task = None if weight is None else weight[task.name]
            return task.tuned(criterion, y[task.name], predictions[task.name], of_task)

        return self._with(criterion, tune)

    def _with(self, given, change):
        """Changes tasks by what is given of them: a value for all that have a threshold, or a dict
        by name."""
        if not isinstance(given, Mapping):
            if self.threshold is None:
                return super().with_threshold(given)
            given = dict.fromkeys(self.threshold, given)
        self.check_names("threshold", given)
        changed = [
            change(task, given[task.name]) if task.name in given else task for task in self.tasks
        ]
        return dataclasses.replace(self, tasks=tuple(changed))

    def check_names(self, key: str, names: Any) -> None:
        """Raises a ValueError if a name, given under `key` of a config, is no task's."""
        for name in names:
            if name not in self.names:
                raise ValueError(
                    f"{key} names {name!r}, which is none of the targets: {listing(self.names)}."
                    f"{did_you_mean(name, self.names)}"
                )

    def decode(self, predictions) -> pd.DataFrame:
        """Returns a column for each task, and for each label of a `Multilabel`."""
        decoded = {}
        for task in self.tasks:
            values = task.decode(predictions[task.name])
            if isinstance(values, pd.DataFrame):
                decoded |= {label: values[label] for label in values}
            else:
                decoded[task.name] = values
        return pd.DataFrame(decoded)

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        """Returns the columns of each task: `<task>` and `<task>_<prefix><class>`; of a
        `Multilabel` its labels and `<task>_<prefix><label>`."""
        frames = [
            task.to_frame(predictions[task.name], task.name, f"{task.name}_{prefix}")
            for task in self.tasks
        ]
        return pd.concat(frames, axis=1)

    def empty_predictions(self):
        return {task.name: task.empty_predictions() for task in self.tasks}

    def get_config(self):
        return {
            "name": self.name,
            "tasks": [keras.saving.serialize_keras_object(task) for task in self.tasks],
        }

    @classmethod
    def from_config(cls, config):
        tasks = [keras.saving.deserialize_keras_object(task) for task in config["tasks"]]
        return cls(config["name"], tuple(tasks))
