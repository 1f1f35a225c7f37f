"""TablePreprocessor: raw columns to the inputs of a model, and predictions back to values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras.data.csr import is_matrix
from sparse_keras.data.preprocessor import Preprocessor
from sparse_keras.data.tabular.columns import as_frame
from sparse_keras.data.tabular.csr import SparseTable
from sparse_keras.data.tabular.encoded_columns import MAX_STANDARDISED
from sparse_keras.data.tabular.features import Features
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.native import is_table, to_pandas
from sparse_keras.tasks import Task


@keras.saving.register_keras_serializable(package="sparse_keras")
class TablePreprocessor(Preprocessor):
    """Encodes the columns of a table as they were encoded in training.

    Args:
        features: A `data.Features`, or the dict that its `to_dict` returned.

    Attributes:
        features: The `data.Features`.
    """

    def __init__(self, features: Features | dict):
        self.features = features if isinstance(features, Features) else Features.from_dict(features)

    @property
    def task(self) -> Task:
        return self.features.target.as_task()

    def is_raw(self, x: Any) -> bool:
        if is_matrix(x) or isinstance(x, SparseTable):
            return True
        # `encode` says best what is wrong with None, a Series or a list of dicts.
        if x is None or isinstance(x, pd.Series) or is_table(x):
            return True
        if isinstance(x, list) and (not x or isinstance(x[0], (str, dict))):
            return True
        encoded = {"numeric", "categorical", "sparse"}
        return isinstance(x, dict) and not (
            x and set(x) <= encoded and all(_rank(value) == 2 for value in x.values())
        )

    def encode(self, x: Any) -> Any:
        """Encodes raw columns as the network takes them.

        Args:
            x: A DataFrame of pandas, polars, PyArrow or another library, a dict of columns, or a
                dict of scalars: one row. For sparse columns, a matrix of `scipy.sparse` or a
                `data.SparseTable`; for texts, also a list of them.

        Returns:
            A dict of arrays, or CSR, or the bare array where the network has one input.

        Raises:
            ValueError: If columns are missing or hold something else than in training.
        """
        if isinstance(x, dict):
            x = {name: _as_numpy(column) for name, column in x.items()}
        encoded = self.features.encode(x)
        return encoded if len(encoded) > 1 else next(iter(encoded.values()))

    def encode_examples(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any]:
        """Encodes raw columns and raw targets.

        Args:
            x: As for `encode`.
            y: The values of the target, such as `["yes", "no"]`: a column, or a table with the
                target's columns. `None` if `x` has them.
            sample_weight: The weight of each row. `None` for the weights of training: those of the
                column `data.weight`, which `x` then has, or none.

        Raises:
            ValueError: If a column is missing, or values are not such as in training.
        """
        target = self.features.target
        several = isinstance(target, MultiTarget)
        if isinstance(x, SparseTable):
            table = x.targets if y is None else y
        else:
            table = x if y is None else y
        if y is None and is_matrix(x):
            raise ValueError(f"Expected `y`, the values of {target.name!r}: a matrix has no names.")
        table = to_pandas(table)
        named = isinstance(table, (pd.DataFrame, Mapping))
        if several and not named:
            raise ValueError(
                f"Expected `y` as a table with the columns {listing(target.columns)}. Received: "
                f"{type(y).__name__}."
            )
        if not named:
            values = np.atleast_1d(y.to_numpy() if hasattr(y, "to_numpy") else _as_numpy(y))
            column = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
            table = values if target.task == "multilabel" else column
        encoded = self.encode(x)
        rows = keras.tree.flatten(encoded)[0].shape[0]
        received = len(as_frame(table, target.columns)) if named else len(table)
        if not rows or rows != received:
            raise ValueError(
                f"Expected as many targets as rows, at least 1. Received: {rows} rows and "
                f"{received} targets."
            )
        targets = target.encode(table)
        if sample_weight is None:
            sample_weight = self.features.sample_weight(x, table)
        else:  # Keras takes neither lists nor Series beside a dict of inputs.
            sample_weight = _weight_arrays(sample_weight)
        return encoded, targets, sample_weight

    def check_encoded(self, x: Any) -> None:
        """Raises a ValueError if arrays hold numbers that no encoding has."""
        if isinstance(x, np.ndarray) and len(self._inputs) > 1:
            raise ValueError(
                f"Expected a dict of arrays, {listing(self._inputs)}, as `encode` returns it. "
                f"Received one array of shape {x.shape}. Pass raw rows as a DataFrame or a dict of "
                "columns, with their names."
            )
        arrays = x if isinstance(x, dict) else {self._inputs[0]: x}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray) or not array.size:
                continue
            if array.dtype.kind not in "biuf":
                possible = False
            elif name == "numeric":
                possible = np.abs(array).max() <= MAX_STANDARDISED  # False for NaN.
            elif name == "categorical" and array.ndim == 2:
                possible = array.min() >= 0 and (
                    array.shape[1] != len(self.features.cardinalities)
                    or (array.max(axis=0) < self.features.cardinalities).all()
                )
            else:
                possible = True
            if not possible:
                raise ValueError(
                    f"Arrays must hold encoded columns, as `encode` returns them. Received: values "
                    f"that no {name} encoding has, such as NaN. Pass raw rows as a DataFrame or a "
                    "dict of columns, with their names."
                )

    @property
    def _inputs(self):
        """The names of the network's inputs."""
        return list(self._widths)

    @property
    def _widths(self):
        """The width of each of the network's inputs, by name."""
        features = self.features
        widths = {
            "numeric": features.numeric_dim,
            "categorical": len(features.categorical),
            "sparse": features.sparse_dim,
        }
        return {name: width for name, width in widths.items() if width}

    def check_network(self, core: keras.Model) -> None:
        if not getattr(core, "inputs", None):  # A subclassed model does not know its inputs.
            return
        features = self.features
        _check_widths("inputs", self._widths, core.input)
        outputs = {target.name: target.outputs for target in features.target.targets}
        _check_widths("outputs", outputs, core.output)
        embeddings = {layer.name: layer for layer in core.layers}
        for number, column in enumerate(features.categorical):
            # As `models.tabular` names them.
            embedding = embeddings.get(f"embedding_{number}")
            if getattr(embedding, "input_dim", column.cardinality) != column.cardinality:
                raise ValueError(
                    f"The column {column.name!r} is encoded as one of {column.cardinality} codes. "
                    f"The network has an embedding of {embedding.input_dim}."
                )

    def export(
        self,
        core: keras.Model,
        filepath: Any,
        format: str = "tf_saved_model",
        task: Task | None = None,
        **kwargs: Any,
    ) -> None:
        """Exports a SavedModel that takes raw columns, one tensor for each; see
        `tensorflow_export.export_raw`.

        Raises:
            ValueError: If the backend is not TensorFlow, or another `format` is asked for.
        """
        _check_saved_model(
            format,
            "raw rows",
            "as a SavedModel"
            if self.features.sparse_dim
            else "with inputs='encoded', which takes what `encode` returns",
        )
        if self.features.sparse is not None:
            self.export_core(core, filepath, task=task, **kwargs)
            return
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "A model that encodes raw rows itself is exported on the TensorFlow backend. "
                f"Received: inputs='raw' on {keras.backend.backend()}. Start Python with "
                "KERAS_BACKEND=tensorflow, or export the network alone with inputs='encoded'."
            )
        from sparse_keras.data.tabular.tensorflow_export import export_raw

        export_raw(core, self.features, filepath, task=task or self.task, **kwargs)

    def export_core(
        self,
        core: keras.Model,
        filepath: Any,
        format: str = "tf_saved_model",
        *args: Any,
        task: Task | None = None,
        **kwargs: Any,
    ) -> Any:
        """Exports the network alone. The input of a sparse matrix is its three arrays; see
        `tensorflow_csr_export.export_sparse`."""
        if not self.features.sparse_dim:
            return core.export(filepath, format, *args, **kwargs)
        if self._inputs != ["sparse"]:
            raise ValueError(
                "A network of texts and other columns is exported with its encoding. Received: "
                "inputs='encoded'. Leave it at 'raw'."
            )
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "A model of sparse inputs is exported on the TensorFlow backend. Received: "
                f"{keras.backend.backend()}. Start Python with KERAS_BACKEND=tensorflow."
            )
        _check_saved_model(format, "sparse rows", "as a SavedModel")
        from sparse_keras.data.tabular.tensorflow_csr_export import export_sparse

        return export_sparse(core, filepath, task or self.task, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"features": self.features.to_dict()}


def _check_widths(what, expected, tensors):
    """Compares the widths of a network's inputs or outputs with those of the encoding."""
    if not isinstance(tensors, dict):
        tensors = dict.fromkeys(expected, tensors)
    received = {name: tensor.shape[-1] for name, tensor in tensors.items()}
    if received != expected:
        raise ValueError(
            f"Expected a network for the encoded columns, with {what} of these widths: {expected}. "
            f"Received one with {received}."
        )


def _check_saved_model(format, inputs, instead):
    """Refuses the formats that cannot hold such inputs."""
    if format != "tf_saved_model":
        raise ValueError(
            f"Only a SavedModel can take {inputs}: other formats have no text or sparse inputs. "
            f"Received: format={format!r}. Export the network {instead}. Nothing was written."
        )


def _weight_arrays(weight):
    if isinstance(weight, dict):
        return {name: _weight_arrays(one) for name, one in weight.items()}
    return np.asarray(_as_numpy(weight), "float32")


def _rank(value):
    """The rank of an array, a tensor or a matrix of SciPy."""
    shape = getattr(value, "shape", None)
    return np.ndim(value) if shape is None else len(shape)


def _as_numpy(column):
    """A tensor's values as an array, with its strings as `str`."""
    if not keras.ops.is_tensor(column):
        return column
    values = np.asarray(column.numpy() if hasattr(column, "numpy") else column)
    return np.char.decode(values.astype("bytes"), "utf-8") if values.dtype == object else values
