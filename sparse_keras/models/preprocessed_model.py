"""PreprocessedModel: preprocessing and network in one, which predicts from raw examples."""

from __future__ import annotations

from typing import Any

import keras

from sparse_keras.data.batches import ArrayBatches
from sparse_keras.data.csr import is_matrix
from sparse_keras.data.preprocessor import Preprocessor
from sparse_keras.models.multi_task.multi_task_model import MultiTaskTraining


@keras.saving.register_keras_serializable(package="sparse_keras")
class PreprocessedModel(MultiTaskTraining, keras.Model):
    """A network together with the preprocessing of the raw examples that it was trained on.

    It is a `keras.Model` with the network's inputs; `predict` also takes raw examples. The
    preprocessing is saved in the `.keras` file.

    Args:
        core: The network, a `keras.Model` of encoded inputs.
        preprocessor: The `data.Preprocessor`: of a table a `data.TablePreprocessor`.

    Attributes:
        core: The network.
        preprocessor: The preprocessor.

    Example:

    ```python
    model = sparse_keras.load_model("runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00")
    model.predict({"age": 39, "workclass": "State-gov", ...})  # array of shape [1, 1]
    model.predict(pandas.read_csv("people.csv"))
    ```
    """

    def __init__(self, core: keras.Model, preprocessor: Preprocessor, **kwargs: Any):
        # Keras scales the loss of float16 models by the policy of the model that is compiled.
        kwargs.setdefault("dtype", core.dtype_policy)
        kwargs.setdefault("name", f"preprocessed_{core.name}")
        super().__init__(**kwargs)
        self.core = core
        self.preprocessor = preprocessor
        self.built = True  # The network is.

    def call(self, inputs, training=None):
        return self.core(inputs, training=training)

    def encode(self, x: Any) -> Any:
        """Encodes raw examples as the network takes them; see the preprocessor's `encode`."""
        return self.preprocessor.encode(x)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """`keras.Model.predict` that also takes raw examples.

        Args:
            x: Raw examples, such as a DataFrame or a dict of columns for a table; or anything that
                `keras.Model.predict` takes for the encoded inputs.
            batch_size, verbose, steps, callbacks: As in `keras.Model.predict`.

        Returns:
            NumPy array `[N, outputs]`: probabilities, or values for regression. For several tasks a
            dict of such arrays by the name of the task.
        """
        if self.preprocessor.is_raw(x):
            x = self.encode(x)
            if not keras.tree.flatten(x)[0].shape[0]:
                return self.preprocessor.task.empty_predictions()
            if is_matrix(x):
                # Keras, too, takes CSR, but would compile each number of non-zeros on JAX.
                x = ArrayBatches(x, None, batch_size=batch_size or 32)
                batch_size = None
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def predict_target(self, x: Any, **kwargs: Any) -> Any:
        """Predicts values of the target: classes, labels or numbers; see `Task.decode`.

        Args:
            x: As for `predict`.
            **kwargs: Arguments of `keras.Model.predict`.
        """
        return self.preprocessor.decode(self.predict(x, **kwargs))

    def predict_frame(self, x: Any, **kwargs: Any) -> Any:
        """Predicts as a table, in the order of the examples.

        Args:
            x: As for `predict`.
            **kwargs: Arguments of `keras.Model.predict`.

        Returns:
            A DataFrame. For classes, the columns `prediction` and `probability_<class>`: of the
            positive class for two, of each for more. For labels, a bool column and a probability
            for each. For numbers, `prediction`. For several tasks the same for each, named
            `<task>` and `<task>_probability_<class>`.
        """
        return self.preprocessor.to_frame(self.predict(x, **kwargs))

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        *args: Any,
        inputs: str = "raw",
        **kwargs: Any,
    ) -> Any:
        """Exports the model for serving without this package, or without Python.

        Args:
            filepath: Path of what is written, a folder for a SavedModel.
            format: As in `keras.Model.export`. Raw inputs need `"tf_saved_model"`.
            *args: Further arguments of `keras.Model.export`.
            inputs: `"raw"` for a model that takes raw examples and encodes them itself; see the
                preprocessor's `export`. `"encoded"` for the network alone, `core`, whose inputs are
                encoded examples.
            **kwargs: Further arguments of `keras.Model.export`; for `"raw"` only `verbose`.

        Raises:
            ValueError: If `inputs` is neither, or this preprocessing cannot be exported.
        """
        if inputs == "raw":
            return self.preprocessor.export(self.core, filepath, format, *args, **kwargs)
        if inputs == "encoded":
            if format == "onnx":
                _call_once(self.core)
            return self.preprocessor.export_core(self.core, filepath, format, *args, **kwargs)
        raise ValueError(f"`inputs` must be 'raw' or 'encoded'. Received: inputs={inputs!r}.")

    def get_config(self):
        return {
            **super().get_config(),
            "core": keras.saving.serialize_keras_object(self.core),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("core", "preprocessor"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        config["preprocessor"].check_network(config["core"])
        return cls(**config)


def _call_once(model):
    """Calls a model with zeros. To ONNX, Keras exports none that was never called, such as one that
    was just loaded."""

    def zeros(tensor):
        return keras.ops.zeros((1, *(size or 1 for size in tensor.shape[1:])), tensor.dtype)

    model(keras.tree.map_structure(zeros, model.input), training=False)
