"""PreprocessedModel: preprocessing and network in one, which predicts from raw examples."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import pandas as pd

from sparse_keras.data.batches import ArrayBatches
from sparse_keras.data.csr import is_matrix
from sparse_keras.data.preprocessor import Preprocessor
from sparse_keras.models.forward import Forward
from sparse_keras.models.multi_task.multi_task_model import MultiTaskTraining
from sparse_keras.tasks import Task
from sparse_keras.tasks.metrics import ThresholdAccuracy


@keras.saving.register_keras_serializable(package="sparse_keras")
class PreprocessedModel(MultiTaskTraining, keras.Model):
    """A network together with the preprocessing of the raw examples that it was trained on.

    It is a `keras.Model` with the network's inputs. Every method also takes raw examples: `fit`,
    `evaluate` and `predict`, those of one batch, and a call. The preprocessing is saved in the
    `.keras` file.

    Args:
        core: The network, a `keras.Model` of encoded inputs.
        preprocessor: The `data.Preprocessor`: of a table a `data.TablePreprocessor`.
        threshold: What `threshold` is at first. `None` for that of the preprocessor's task: 0.5.

    Attributes:
        core: The network.
        preprocessor: The preprocessor.
        task: What is predicted, a `tasks.Task` with the model's threshold.
        threshold: The probability from which on an example is of the positive class, in
            `predict_target` and `predict_frame`, in exports and in metrics; it is saved with the
            model. For labels one for all, or a tuple with one for each; for several targets a dict
            by name. `None` where predictions are decided without one. May be set; for several
            targets, a single number sets those of all, and a dict those that it names.

    Example:

    ```python
    model = sparse_keras.load_model("runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00")
    model.predict({"age": 39, "workclass": "State-gov", ...})  # array of shape [1, 1]
    model.predict(pandas.read_csv("people.csv"))
    model.evaluate(people, people["income"])
    model.threshold = 0.3  # More people are predicted to be in the positive class.
    ```
    """

    def __init__(
        self, core: keras.Model, preprocessor: Preprocessor, threshold: Any = None, **kwargs: Any
    ):
        # Keras scales the loss of float16 models by the policy of the model that is compiled.
        kwargs.setdefault("dtype", core.dtype_policy)
        kwargs.setdefault("name", f"preprocessed_{core.name}")
        super().__init__(**kwargs)
        self.core = core
        self.preprocessor = preprocessor
        self._task = preprocessor.task
        if threshold is not None:
            self._task = self._task.with_threshold(threshold)
        self._compiled_metrics = _Metrics([])
        self._forward = Forward(self)
        self.built = True  # The network is.

    @property
    def task(self) -> Task:
        return self._task

    @property
    def threshold(self) -> Any:
        return self._task.threshold

    @threshold.setter
    def threshold(self, threshold: Any) -> None:
        self._task = self._task.with_threshold(threshold)
        self._compiled_metrics.follow(self._task)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """`keras.Model.compile`. Metrics of the class `tasks.metrics.ThresholdAccuracy` follow the
        model's threshold."""
        super().compile(*args, **kwargs)
        kwargs.pop("class_weights", None)
        given = _bound(keras.Model.compile, self, *args, **kwargs)
        self._compiled_metrics = _Metrics([given.get("metrics"), given.get("weighted_metrics")])
        self._compiled_metrics.follow(self._task)

    def call(self, inputs, training=None):
        return self.core(inputs, training=training)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # A matrix of SciPy is what the network takes as a tensor.
        if self.preprocessor.is_raw(inputs) and not is_matrix(inputs):
            inputs = self.encode(inputs)
        return super().__call__(inputs, *args, **kwargs)

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
            batch_size: Rows in a batch. By default 8192 for arrays, matrices of SciPy and raw
                examples, or fewer if they are texts, unless the prediction for an example depends
                on others in its batch; for these and for all else 32.
            verbose, steps, callbacks: As in `keras.Model.predict`.

        Returns:
            NumPy array `[N, outputs]`: probabilities, or values for regression. For several tasks a
            dict of such arrays by the name of the task.
        """
        x = self._encoded(x)
        if is_matrix(x) or isinstance(x, (np.ndarray, dict)):
            if not keras.tree.flatten(x)[0].shape[0]:
                return self.preprocessor.task.empty_predictions()
        parts = x.values() if isinstance(x, dict) else [x]
        if any(map(is_matrix, parts)):
            # Keras, too, takes CSR, but would compile each number of non-zeros on JAX.
            x = ArrayBatches(x, None, batch_size=batch_size or self._forward.default_batch_size)
            batch_size = None
        elif self._can_forward(x, steps, callbacks):
            return self._forward(x, batch_size, verbose)
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def _can_forward(self, x, steps, callbacks):
        if steps is not None or callbacks is not None or self.run_eagerly:
            return False
        if type(self).predict_step is not keras.Model.predict_step:
            return False  # A subclass predicts in its own way.
        return self._forward.applies_to(x)

    def predict_on_batch(self, x: Any) -> Any:
        """`keras.Model.predict_on_batch` that also takes raw examples."""
        return super().predict_on_batch(self._encoded(x))

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.fit` that also takes raw examples.

        Args:
            x: Raw examples, or anything that `keras.Model.fit` takes for the encoded inputs.
            y: For raw examples, raw targets, such as the classes; of a table `None` if `x` has the
                target's columns.
            *args, **kwargs: As for `keras.Model.fit`. `validation_data` may be raw as well: a
                table, `(x, y)` or `(x, y, sample_weight)`.
        """
        arguments = _bound(keras.Model.fit, self, x, y, *args, **kwargs)
        if (validation := arguments.get("validation_data")) is not None:
            arguments["validation_data"] = self._encoded_validation(validation)
        return super().fit(**self._with_encoded(arguments))

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.evaluate` that also takes raw examples; arguments are those of `fit`."""
        arguments = _bound(keras.Model.evaluate, self, x, y, *args, **kwargs)
        return super().evaluate(**self._with_encoded(arguments))

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.train_on_batch` that also takes raw examples; see `fit`."""
        arguments = _bound(keras.Model.train_on_batch, self, x, y, *args, **kwargs)
        return super().train_on_batch(**self._with_encoded(arguments))

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.test_on_batch` that also takes raw examples; see `fit`."""
        arguments = _bound(keras.Model.test_on_batch, self, x, y, *args, **kwargs)
        return super().test_on_batch(**self._with_encoded(arguments))

    def _encoded(self, x):
        if self.preprocessor.is_raw(x):
            return self.encode(x)
        self.preprocessor.check_encoded(x)
        return x

    def _with_encoded(self, arguments):
        """Arguments of `fit` and the like, whose `x`, `y` and `sample_weight` may be raw."""
        x = arguments["x"]
        # Keras evaluates within `fit` without `x`, from data that it keeps.
        if x is None:
            return arguments
        if not self.preprocessor.is_raw(x):
            self.preprocessor.check_encoded(x)
            return arguments
        x, y, weight = self.preprocessor.encode_examples(
            x, arguments.get("y"), arguments.get("sample_weight")
        )
        return arguments | {"x": x, "y": y, "sample_weight": weight}

    def _encoded_validation(self, data):
        x, *rest = data if isinstance(data, tuple) else (data,)
        if self.preprocessor.is_raw(x):
            return self.preprocessor.encode_examples(x, *rest)
        self.preprocessor.check_encoded(x)
        return data

    def predict_target(self, x: Any, **kwargs: Any) -> Any:
        """Predicts values of the target: classes, labels or numbers; see `Task.decode`.

        Args:
            x: As for `predict`.
            **kwargs: Arguments of `keras.Model.predict`.
        """
        return self.task.decode(self.predict(x, **kwargs))

    def predict_frame(self, x: Any, **kwargs: Any) -> Any:
        """Predicts as a table, in the order of the examples.

        Args:
            x: As for `predict`.
            **kwargs: Arguments of `keras.Model.predict`.

        Returns:
            A pandas DataFrame, whatever `x` is, with the index of `x` if that is one, too. For
            classes, the columns `prediction` and `probability_<class>`: of the positive class for
            two, of each for more. For labels, a bool column and a probability for each. For
            numbers, `prediction`. For several tasks the same for each, named `<task>` and
            `<task>_probability_<class>`.
        """
        frame = self.task.to_frame(self.predict(x, **kwargs))
        return frame.set_axis(x.index) if isinstance(x, pd.DataFrame) else frame

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
            return self.preprocessor.export(
                self.core, filepath, format, *args, task=self.task, **kwargs
            )
        if inputs == "encoded":
            if format == "onnx":
                _call_once(self.core)
            return self.preprocessor.export_core(
                self.core, filepath, format, *args, task=self.task, **kwargs
            )
        raise ValueError(f"`inputs` must be 'raw' or 'encoded'. Received: inputs={inputs!r}.")

    def get_config(self):
        threshold = {} if self.threshold is None else {"threshold": self.threshold}
        return {
            **super().get_config(),
            **threshold,
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


class _Metrics:
    """The metrics that a model was compiled with. Keras would take those in a list for the model's
    own, and update them twice.

    Args:
        given: List of what `compile` got: metrics, or dicts of such by name of the task.
    """

    def __init__(self, given):
        self.given = given

    def follow(self, task):
        """Sets the thresholds of metrics to those of a task."""
        for given in self.given:
            for one in task.single_tasks():
                of_task = given.get(one.name) if isinstance(given, dict) else given
                for metric in keras.tree.flatten(of_task):
                    if isinstance(metric, ThresholdAccuracy) and one.threshold is not None:
                        metric.threshold = one.threshold


def _bound(method, *args, **kwargs):
    """Arguments by name, without `self`."""
    arguments = inspect.signature(method).bind(*args, **kwargs).arguments
    del arguments["self"]
    return arguments | arguments.pop("kwargs", {})


def _call_once(model):
    """Calls a model with zeros. To ONNX, Keras exports none that was never called, such as one that
    was just loaded."""

    def zeros(tensor):
        return keras.ops.zeros((1, *(size or 1 for size in tensor.shape[1:])), tensor.dtype)

    model(keras.tree.map_structure(zeros, model.input), training=False)
