"""TabularModel: preprocessing and network in one, so that a saved model predicts from raw rows."""

import keras
import numpy as np
import pandas as pd

from sparse_keras.data.batches import ArrayBatches
from sparse_keras.data.tabular.csr import SparseTable, TextColumn, is_matrix
from sparse_keras.data.tabular.features import Features
from sparse_keras.layers import FeatureGate
from sparse_keras.models.multi_task.multi_task_model import MultiTaskTraining


@keras.saving.register_keras_serializable(package="sparse_keras")
class TabularModel(MultiTaskTraining, keras.Model):
    """A network together with the encoding of the raw columns it was trained on.

    It is a `keras.Model` with the network's inputs; `predict` also takes raw columns. The encoding
    is saved inside the `.keras` file.

    Args:
        core: The network, a `keras.Model` of encoded inputs.
        features: A `data.Features`, or the dict that its `to_dict` returned.

    Example:

    ```python
    model = sparse_keras.load_model("runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00")
    model.predict({"age": 39, "workclass": "State-gov", ...})  # array of shape [1, 1]
    model.predict(pandas.read_csv("people.csv"))
    ```
    """

    def __init__(self, core, features, **kwargs):
        # Keras scales the loss of float16 models by the policy of the model that is compiled.
        kwargs.setdefault("dtype", core.dtype_policy)
        super().__init__(**kwargs)
        self.core = core
        self._features = Features.from_dict(features) if isinstance(features, dict) else features
        self.built = True  # The network is.

    @property
    def features(self):
        """The `data.Features` that encode raw columns."""
        return self._features

    def call(self, inputs, training=None):
        return self.core(inputs, training=training)

    def encode(self, table):
        """Encodes raw columns as the network takes them.

        Args:
            table: A DataFrame, a dict of columns, or a dict of scalars: one row. For sparse
                columns, a matrix of `scipy.sparse` or a `data.SparseTable`; for texts, also a
                list of them.

        Returns:
            A dict of arrays, or CSR, or the bare array where the network has one input.

        Raises:
            ValueError: If columns are missing or hold something else than in training.
        """
        if isinstance(table, dict):
            table = {name: _plain(column) for name, column in table.items()}
        encoded = self.features.encode(table)
        return encoded if len(encoded) > 1 else next(iter(encoded.values()))

    def predict(self, x, **kwargs):
        """`keras.Model.predict` that takes raw columns as well as encoded inputs.

        Args:
            x: A DataFrame, a dict of raw columns (or of one row's scalars), a sparse matrix, or
                anything that `keras.Model.predict` takes for the encoded inputs.
            **kwargs: Arguments of `keras.Model.predict`.

        Returns:
            NumPy array `[N, outputs]`: probabilities, or values for regression. For several targets
            a dict of such arrays, from target name.
        """
        if self._is_raw(x):
            x = self.encode(x)
            if not next(iter(keras.tree.flatten(x))).shape[0]:
                target = self.features.target
                if target.task != "multitask":
                    return np.zeros((0, target.outputs), "float32")
                return {one.name: np.zeros((0, one.outputs), "float32") for one in target.targets}
            if is_matrix(x):
                # Keras, too, takes CSR, but would compile each number of non-zeros on JAX.
                x = ArrayBatches(
                    {"sparse": x}, None, batch_size=kwargs.pop("batch_size", None) or 32
                )
        return super().predict(x, **kwargs)

    def predict_target(self, x, **kwargs):
        """Predicts in the target's own terms: classes, labels or values.

        See `Target.decode`; for several targets, `MultiTarget.decode`: a table.
        """
        return self.features.decode_target(self.predict(x, **kwargs))

    def predict_frame(self, x, **kwargs):
        """Predicts as a table, in the order of the rows.

        Args:
            x: As for `predict`.
            **kwargs: Arguments of `keras.Model.predict`.

        Returns:
            A DataFrame. For classes, the columns `prediction` and `probability_<class>`: of the
            positive class for two, of each for more. For labels, a bool column and a probability
            for each. For numbers, `prediction`. For several targets the same for each, named
            `<target>` and `<target>_probability_<class>`.
        """
        target = self.features.target
        predictions = self.predict(x, **kwargs)
        if target.task != "multitask":
            return _frame(target, predictions, "prediction", "probability_")
        frames = [
            _frame(one, predictions[one.name], one.name, f"{one.name}_probability_")
            for one in target.targets
        ]
        return pd.concat(frames, axis=1)

    def selected_features(self):
        """Names of the raw columns whose gate is open, for a model with a `feature_gate`.

        Raises:
            ValueError: If the model has no feature gate.
        """
        gates = [layer for layer in self.core.layers if isinstance(layer, FeatureGate)]
        if not gates:
            raise ValueError(f"The model {self.name!r} has no feature gate: it uses all columns.")
        return [self.features.columns[column] for column in gates[0].selected_features()]

    def export(self, filepath, inputs="raw", **kwargs):
        """Exports the model for serving without this package, or without Python.

        Args:
            filepath: Path of what is written, a folder for a SavedModel.
            inputs: `"raw"` for a SavedModel that takes raw columns, one tensor each, and encodes
                them itself, on the TensorFlow backend; see `tensorflow_export.export_raw`.
                `"encoded"` for the network alone, `core`, whose inputs are encoded rows. The input
                of a sparse matrix is its three arrays, both ways; see `tensorflow_sparse_export`.
            **kwargs: Arguments of `keras.Model.export`, such as `format`, for `"encoded"`; for
                `"raw"` only `verbose`.

        Raises:
            ValueError: If `inputs` is neither, if raw ones are asked of another backend, or raw
                texts of any.
        """
        if inputs not in ("raw", "encoded"):
            raise ValueError(f"`inputs` must be 'raw' or 'encoded'. Received: inputs={inputs!r}.")
        if self.features.sparse is not None:
            return self._export_sparse(filepath, inputs, **kwargs)
        if inputs == "encoded":
            return self.core.export(filepath, **kwargs)
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "A model that encodes raw rows itself is exported on the TensorFlow backend. "
                f"Received: inputs='raw' on {keras.backend.backend()}. Start Python with "
                "KERAS_BACKEND=tensorflow, or export the network alone with inputs='encoded'."
            )
        from sparse_keras.data.tabular.tensorflow_export import export_raw

        return export_raw(self, filepath, **kwargs)

    def _export_sparse(self, filepath, inputs, **kwargs):
        if inputs == "raw" and isinstance(self.features.sparse, TextColumn):
            raise ValueError(
                "A SavedModel cannot split texts into words as the training did. Received: "
                "inputs='raw' for a column of texts. Export the network with inputs='encoded', "
                "which takes what `encode(texts)` returns, or serve the .keras file."
            )
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "A model of sparse inputs is exported on the TensorFlow backend. Received: "
                f"{keras.backend.backend()}. Start Python with KERAS_BACKEND=tensorflow."
            )
        from sparse_keras.data.tabular.tensorflow_csr_export import export_sparse

        return export_sparse(self.core, filepath, self.features.target, **kwargs)

    def _is_raw(self, x):
        if is_matrix(x) or isinstance(x, SparseTable):
            return True
        if isinstance(x, list) and isinstance(x[0], str):
            return True
        # A Series or a list of dicts is no table, but the encoding says so best.
        if x is None or hasattr(x, "iloc") or (isinstance(x, list) and isinstance(x[0], dict)):
            return True
        encoded = {"numeric", "categorical"}
        return isinstance(x, dict) and not (
            x and set(x) <= encoded and all(np.ndim(value) == 2 for value in x.values())
        )

    def get_config(self):
        return {
            **super().get_config(),
            "core": keras.saving.serialize_keras_object(self.core),
            "features": self.features.to_dict(),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["core"] = keras.saving.deserialize_keras_object(config["core"])
        return cls(**config)


def _frame(target, predictions, name, prefix):
    """The predictions of one target as a table.

    Args:
        target: The `data.Target`.
        predictions: Array `[N, outputs]`.
        name: The column of the predicted class or value.
        prefix: What stands before a class in the name of its column of probabilities.
    """
    decoded = target.decode(predictions)
    frame = decoded if target.task == "multilabel" else pd.DataFrame({name: decoded})
    if target.task == "regression":
        return frame
    shown = target.classes[-1:] if target.task == "binary" else target.classes
    for number, one in enumerate(shown):
        frame[f"{prefix}{one}"] = predictions[:, number]
    return frame


def _plain(column):
    """A tensor's values as an array, with its strings as `str`."""
    if not keras.ops.is_tensor(column):
        return column
    values = np.asarray(column.numpy() if hasattr(column, "numpy") else column)
    return np.char.decode(values.astype("bytes"), "utf-8") if values.dtype == object else values
