"""Preprocessor: from raw examples to the inputs of a model, and from its predictions back."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from sparse_keras.tasks import Task


class Preprocessor(abc.ABC):
    """Base class of preprocessors.

    A `models.PreprocessedModel` is a network with a preprocessor, saved in one file, so that it
    predicts from raw examples wherever it is loaded. A preprocessor of your own must be
    registered with Keras and implement `get_config()` with JSON-serializable values, and
    `from_config()` if the constructor's arguments need deserializing.

    Example:

    ```python
    @keras.saving.register_keras_serializable(package="mine")
    class Centred(sparse_keras.data.Preprocessor):
        "Subtracts the mean of the training examples."

        def __init__(self, mean, task):
            self.mean = mean
            self._task = task

        @property
        def task(self):
            return self._task

        def is_raw(self, x):
            return isinstance(x, list)

        def encode(self, x):
            return np.asarray(x, "float32") - self.mean

        def get_config(self):
            return {"mean": self.mean, "task": keras.saving.serialize_keras_object(self._task)}

        @classmethod
        def from_config(cls, config):
            return cls(config["mean"], keras.saving.deserialize_keras_object(config["task"]))
    ```
    """

    @property
    @abc.abstractmethod
    def task(self) -> Task:
        """What the model predicts."""

    @abc.abstractmethod
    def is_raw(self, x: Any) -> bool:
        """Returns whether `x` holds raw examples.

        Encoded ones, and whatever else `keras.Model` takes (data sets, generators), go to the
        network as they are.
        """

    @abc.abstractmethod
    def encode(self, x: Any) -> Any:
        """Encodes raw examples.

        Args:
            x: Raw examples.

        Returns:
            What the network takes: an array, or a dict or list of arrays, with the examples along
            the first axis.

        Raises:
            ValueError: If `x` cannot be encoded as the training examples were.
        """

    def encode_examples(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any]:
        """Encodes raw examples with their targets, for `fit` and `evaluate`.

        Args:
            x: Raw examples.
            y: Their targets. By default they are returned as they are; a preprocessor that knows
                how targets are encoded overrides this method.
            sample_weight: The weight of each example, or `None`.

        Returns:
            `(x, y, sample_weight)`, as the network takes them.

        Raises:
            ValueError: If the examples or the targets cannot be encoded.
        """
        return self.encode(x), y, sample_weight

    def check_encoded(self, x: Any) -> None:
        """Raises a ValueError if `x`, which is not raw by its form, cannot be encoded examples.

        By default nothing is checked.
        """
        del x

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as JSON-serializable values."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Preprocessor:
        return cls(**config)

    def check_network(self, core: keras.Model) -> None:  # noqa: B027, a check need not be made
        """Checks that a network that is loaded with this preprocessor takes what `encode` returns.

        Raises:
            ValueError: If it does not. By default nothing is checked.
        """

    def export(
        self, core: keras.Model, filepath: Any, *args: Any, task: Task | None = None, **kwargs: Any
    ) -> Any:
        """Exports the network with the preprocessing, so that it serves raw examples.

        Args:
            core: The network.
            filepath: Where to.
            *args, **kwargs: As for `keras.Model.export`.
            task: What is predicted, with the model's threshold. `None`: the preprocessor's task.

        Raises:
            ValueError: If this preprocessor cannot be exported, which is the default.
        """
        raise ValueError(
            f"A {type(self).__name__} cannot be exported with the network. Export the network "
            "alone, whose inputs are encoded examples, with inputs='encoded', or serve the .keras "
            "file."
        )

    def export_core(
        self, core: keras.Model, filepath: Any, *args: Any, task: Task | None = None, **kwargs: Any
    ) -> Any:
        """Exports the network alone, whose inputs are encoded examples; arguments are those of
        `export`."""
        return core.export(filepath, *args, **kwargs)
