"""MultiTask: several tasks that one model learns together."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.tasks.base import Task


@keras.saving.register_keras_serializable(package="sparse_keras")
@dataclasses.dataclass(frozen=True)
class MultiTask(Task):
    """Several tasks. A model predicts a dict with an array for each.

    Labels and weights of examples are dicts by name of the task as well; an example whose weight
    for a task is 0 has no label for it.

    Args:
        name: What the tasks are called together.
        members: The tasks, at least two with different names.
    """

    name: str = "targets"
    members: tuple[Task, ...] = ()

    kind: ClassVar[str] = "multitask"

    def __post_init__(self):
        object.__setattr__(self, "members", tuple(self.members))
        names = self.names
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(
                f"A MultiTask has at least two tasks with different names. Received: "
                f"{listing(names) or 'none'}."
            )

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.members

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tasks: the keys of what a model returns."""
        return tuple(task.name for task in self.members)

    @property
    def outputs(self) -> int:
        return sum(task.outputs for task in self.members)

    def make_loss(self, kind, options, reduction):
        raise ValueError("Each task of a MultiTask has a loss of its own: see `compile_arguments`.")

    def metrics(self):
        raise ValueError("Each task of a MultiTask has its own metrics: see `compile_arguments`.")

    def head(self, x, name="head", scale_name="target_scale", layer=keras.layers.Dense):
        raise ValueError(
            "Each task of a MultiTask has a head of its own. Call `head` of each of its `tasks`."
        )

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
            "loss": {task.name: task.loss(sections.get(task.name), True) for task in self.members},
            "weighted_metrics": {task.name: task.metrics() for task in self.members},
        }

    def directions(self):
        directions = {"loss": "min"}
        for task in self.members:
            directions |= {f"{task.name}_{log}": best for log, best in task.directions().items()}
        return directions

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
        for task in self.members:
            values = task.decode(predictions[task.name])
            if isinstance(values, pd.DataFrame):
                decoded |= {label: values[label] for label in values}
            else:
                decoded[task.name] = values
        return pd.DataFrame(decoded)

    def to_frame(self, predictions, column="prediction", prefix="probability_"):
        """Returns the columns of each task, named `<task>` and `<task>_<prefix><class>`."""
        frames = [
            task.to_frame(predictions[task.name], task.name, f"{task.name}_{prefix}")
            for task in self.members
        ]
        return pd.concat(frames, axis=1)

    def empty_predictions(self):
        return {task.name: task.empty_predictions() for task in self.members}

    def get_config(self):
        return {
            "name": self.name,
            "members": [keras.saving.serialize_keras_object(task) for task in self.members],
        }

    @classmethod
    def from_config(cls, config):
        members = [keras.saving.deserialize_keras_object(task) for task in config["members"]]
        return cls(config["name"], tuple(members))
