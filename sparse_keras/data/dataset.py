"""Dataset: what a model is trained and tested on, whatever the examples are.

A table is one kind (`data/tabular`); a plug-in's sequences or images are others. What is general,
training, evaluation, inspection and the command line, asks for no more than what stands here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from sparse_keras._internal.printable import shortened
from sparse_keras.data.csr import is_matrix
from sparse_keras.schema.config import check_config

if TYPE_CHECKING:
    from sparse_keras.data.batches import Batches
    from sparse_keras.data.preprocessor import Preprocessor
    from sparse_keras.schema import Config
    from sparse_keras.tasks import Task


@runtime_checkable
class Dataset(Protocol):
    """A data set, ready for `fit`.

    Attributes:
        name: Its name, for people.
        train: The training examples in batches. See `Batches` for what training needs of them.
        validation: The validation examples in batches; `None` if there are none.
        test: The test examples in batches; `None` if there are none.
        raw_test: The test examples before preprocessing, as `preprocessor.encode` takes them: a
            list, an array, a dict of arrays, or a DataFrame. `None` without a preprocessor.
        inputs: What a model has to know of the inputs. The model's section of the config and its
            builder get it as it is: of a table a `TableInputs`, of other data what the data set
            and its models agree on, such as `(length, channels)`.
        task: What is predicted, a `Task`.
        weighted: Whether batches hold a weight for each example.
        preprocessor: The `Preprocessor` from raw examples to the inputs of a model, which is saved
            with it; `None` if the examples go into the model as they are.
    """

    name: str
    train: Batches
    validation: Batches | None
    test: Batches | None
    raw_test: Any
    inputs: Any
    task: Task
    weighted: bool
    preprocessor: Preprocessor | None

    def digest(self) -> str:
        """Returns a hash of everything that training depends on: the examples and how they are
        encoded. A run may go on only with data of the same digest; see `digest_of`."""


def check_dataset(data: object) -> None:
    """Raises a `ValueError` if an argument `data` is not a `Dataset`."""
    missing = [name for name in _members() if not hasattr(data, name)]
    if missing:
        advice = ""
        if isinstance(data, (str, os.PathLike)):
            advice = f" The folder for runs is another argument: output={os.fspath(data)!r}."
        raise ValueError(
            "Expected `data` to be a sparse_keras.data.Dataset, as `load_data(config)` returns it. "
            f"Received: {shortened(repr(data))}, without {', '.join(missing)}.{advice}"
        )


def load_data(config: Config) -> Dataset:
    """Reads the data set of a config, splits it and encodes it.

    Whatever is learned from examples (statistics, vocabularies, a choice of columns) is learned
    from the training examples only.

    Args:
        config: A `Config` with a `data` section.

    Returns:
        A `Dataset`; for a table a `TabularData`.

    Raises:
        ValueError: If the config has no data section, or the data cannot be used.

    Example:

    ```python
    config = sparse_keras.load_config("tabular/sparse_mlp_adult")
    data = sparse_keras.load_data(config)
    model = sparse_keras.build_model(config, data)
    model.fit(data.train, validation_data=data.validation)
    ```
    """
    check_config(config)
    if config.data is None:
        raise ValueError(
            "The config has no data section, which says what to learn from, such as data: {type: "
            "csv, path: churn.csv, target: churned}."
        )
    training = config.training
    data = config.data.load(batch_size=training.batch_size, seed=training.seed)
    missing = [name for name in _members() if not hasattr(data, name)]
    if missing:
        raise ValueError(
            f"The data set {config.data.type!r} must be a sparse_keras.data.Dataset. Received: a "
            f"{type(data).__name__} without {', '.join(missing)}."
        )
    return data


def digest_of(arrays: Iterable[Any], description: str = "") -> str:
    """Returns the SHA-256 of arrays and of what they mean, for `Dataset.digest`.

    Args:
        arrays: NumPy arrays of numbers, CSR matrices or `None`.
        description: How they were encoded, as text.
    """
    digest = hashlib.sha256(description.encode())
    for array in arrays:
        if array is None:
            continue
        parts = (array.indptr, array.indices, array.data) if is_matrix(array) else (array,)
        for part in parts:
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part))
    return digest.hexdigest()


def _members():
    return (*Dataset.__annotations__, "digest")
