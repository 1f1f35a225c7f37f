"""Task: what is asked of a model, whatever its inputs are.

A task knows the loss and the metrics that fit it, and what the model's predictions mean; a
`SingleTask` also knows the head that a model needs. Data sets name their task, and models,
training and `predict` ask it. What is particular to a kind elsewhere: how a table's target column
is encoded (`data/tabular/targets.py`), and how comparisons score it (`tasks/scores.py`).
"""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import pandas as pd

    from sparse_keras.tasks.single_task import SingleTask


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """Base class of `SingleTask` and of `MultiTask`.

    Args:
        name: What is predicted, such as the name of a table's target column.
    """

    name: str = "target"

    # What configs and results call this kind of task.
    kind: ClassVar[str]
    # Whether the metrics that Keras accumulates batch by batch are all there is, since the
    # predictions for many examples would not fit into memory.
    SCORED_BY_BATCHES: ClassVar[bool] = False

    @abc.abstractmethod
    def single_tasks(self) -> tuple[SingleTask, ...]:
        """Returns the tasks that are learned: this one, or those of a `MultiTask`."""

    @abc.abstractmethod
    def compile_arguments(self, section: Any = None, weighted: bool = False) -> dict[str, Any]:
        """Returns the loss and the metrics as arguments of `keras.Model.compile`.

        Args:
            section: The validated `training.loss` section of a config. `None` for the default.
            weighted: Whether examples are weighted. The loss is then the weighted mean: the sum of
                what examples contribute over the sum of the weights. Metrics are weighted, too.

        Raises:
            ValueError: If the loss does not fit the task.
        """

    @abc.abstractmethod
    def directions(self) -> dict[str, str]:
        """Returns a dict from each logged loss and metric to `"min"` or `"max"`: the direction of
        improvement."""

    @property
    def threshold(self) -> Any:
        """The probability from which on an example is positive: a number, for labels also one for
        each, for several tasks a dict by name. `None` where predictions are decided otherwise."""
        return None

    def with_threshold(self, threshold: Any) -> Task:
        """Returns the same task with another threshold.

        Args:
            threshold: A number between 0 and 1; for labels also one for each; for several tasks a
                number for all that have a threshold, or a dict by name of some.

        Raises:
            ValueError: If it is none, or the task has no threshold.
        """
        raise ValueError(
            f"The target {self.name!r} is {self.kind}: its predictions are decided without a "
            "threshold, which only binary targets and labels have. Leave it out."
        )

    def tuned(self, criterion: str, y: Any, predictions: Any, weight: Any = None) -> Task:
        """Returns the same task with the threshold that is best for examples.

        Args:
            criterion: "f1" or "balanced_accuracy"; for several tasks also a dict by name of some.
            y, predictions, weight: As for `scores`.

        Raises:
            ValueError: If the task has no threshold.
        """
        return self.with_threshold(criterion)

    def exact_from_logs(self, logs: dict[str, float]) -> dict[str, float]:
        """Returns exact values of logs that Keras only approximates, where others tell them.

        Args:
            logs: What `keras.Model.evaluate` returned.
        """
        return {}

    @abc.abstractmethod
    def decode(self, predictions: Any) -> Any:
        """Turns predictions into values of the target.

        Args:
            predictions: What `model.predict` returns.
        """

    @abc.abstractmethod
    def to_frame(
        self, predictions: Any, column: str = "prediction", prefix: str = "probability_"
    ) -> pd.DataFrame:
        """Turns predictions into a table for people, in the order of the examples.

        Args:
            predictions: What `model.predict` returns.
            column: Name of the column with the predicted value.
            prefix: What the names of columns with probabilities start with.
        """

    @abc.abstractmethod
    def empty_predictions(self) -> Any:
        """Returns what a model predicts for no examples."""
