"""SingleTask: one thing that is predicted, and the base class of every kind of it."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import keras
import numpy as np

from sparse_keras.tasks.base import Task
from sparse_keras.tasks.metric_info import MetricInfo


@dataclasses.dataclass(frozen=True)
class SingleTask(Task):
    """One thing that is predicted. Subclass it and register it with Keras for a task of your own.

    Args:
        name: What is predicted. One of several tasks is known by it: in logs, in a model's outputs
            and in errors.
    """

    # The losses of a config, by `type`, that train this task; the first is the default.
    LOSSES: ClassVar[tuple[str, ...]] = ()
    # What is known of each metric, by name: of those that training logs, and of those that
    # `tasks/scores.py` computes of all predictions. The first one decides what a search takes for
    # best. Every table of metrics is made from this.
    METRICS: ClassVar[dict[str, MetricInfo]] = {}
    # Metrics that Keras accumulates batch by batch only approximately. `scores` has the exact ones
    # by the same names, and training and evaluation report those.
    APPROXIMATE: ClassVar[tuple[str, ...]] = ()

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """Width of the model's output."""

    @property
    def scale(self) -> float:
        """Scale of the target: its standard deviation for regression, otherwise 1."""
        return 1.0

    @abc.abstractmethod
    def make_loss(self, kind: str, options: dict, reduction: str) -> keras.losses.Loss:
        """Makes the loss `kind`, one of `LOSSES`."""

    @abc.abstractmethod
    def metrics(self) -> list[keras.metrics.Metric]:
        """Makes the metrics that training logs. Comparisons of the built-in tasks have scores of
        their own, in `tasks/scores.py`."""

    @abc.abstractmethod
    def head(
        self, x: Any, name: str = "head", layer: type[keras.layers.Layer] = keras.layers.Dense
    ) -> Any:
        """Adds the layers that turn features into predictions.

        Args:
            x: The last hidden tensor, `[..., D]`.
            name: Name of the layer.
            layer: Class of the layer: `keras.layers.Dense` or one that takes the same arguments.

        Returns:
            A float32 tensor `[..., outputs]` whatever the dtype policy is: probabilities and losses
            stay in float32.
        """

    def single_tasks(self) -> tuple[SingleTask, ...]:
        return (self,)

    def loss(self, section: Any = None, weighted: bool = False) -> keras.losses.Loss:
        """Makes the loss. Arguments and errors are those of `compile_arguments`."""
        kind = self.LOSSES[0] if section is None else section.type
        if kind not in self.LOSSES:
            raise ValueError(
                f"training.loss: {kind} does not fit the target {self.name!r}, whose task is "
                f"{self.kind}. Expected {' or '.join(self.LOSSES)}."
            )
        reduction = "mean_with_sample_weight" if weighted else "sum_over_batch_size"
        return self.make_loss(kind, {} if section is None else section.kwargs(), reduction)

    def compile_arguments(self, section=None, weighted=False):
        if isinstance(section, dict):
            raise ValueError(
                "training.loss names a loss for each of several targets. Received one target, "
                f"{self.name!r}. Expected a single loss, for example training.loss: {{type: "
                f"{self.LOSSES[-1]}}}."
            )
        return {
            "loss": self.loss(section, weighted),
            "weighted_metrics" if weighted else "metrics": self.metrics(),
        }

    def directions(self):
        names = [metric.name for metric in self.metrics()]
        missing = [name for name in names if getattr(self.METRICS.get(name), "best", None) is None]
        if missing:
            raise ValueError(
                f"{type(self).__name__}.METRICS must say for each metric whether its best value is "
                f"the 'max' or the 'min', in a tasks.MetricInfo. It lacks {', '.join(missing)}."
            )
        return {"loss": "min"} | {name: self.METRICS[name].best for name in names}

    def empty_predictions(self):
        return np.zeros((0, self.outputs), "float32")

    def get_config(self) -> dict[str, Any]:
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            for value in [getattr(self, field.name)]
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SingleTask:
        return cls(**config)


def as_classes(classes: Any, what: str, fewest: int) -> tuple:
    """Checks classes or labels, which may be given as their number."""
    if isinstance(classes, int) and not isinstance(classes, bool):
        classes = range(classes)
    classes = tuple(classes)
    if len(classes) < fewest:
        raise ValueError(f"Expected at least {fewest} {what}. Received: {classes}.")
    return classes
