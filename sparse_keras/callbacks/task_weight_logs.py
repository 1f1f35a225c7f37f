"""TaskWeightLogs: a callback that logs the learned weight of each task."""

import warnings
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="sparse_keras")
class TaskWeightLogs(keras.callbacks.Callback):
    """Reports the learned weight of each task in the logs of `fit`.

    At the end of each epoch, `<task>_weight` is the factor of the task's loss. A model without
    learned weights gets a warning and no logs.

    Example:

    >>> x, y = keras.Input((2,)), {}
    >>> for task in ("a", "b"):
    ...     y[task] = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dense(4)(x))
    >>> y = sparse_keras.models.UncertaintyWeights({"a": "binary", "b": "binary"})(y)
    >>> model = sparse_keras.models.MultiTaskModel(x, y)
    >>> model.compile("sgd", {task: keras.losses.BinaryCrossentropy() for task in ("a", "b")})
    >>> ones = np.ones((8, 2), "float32"), {"a": np.ones(8), "b": np.ones(8)}
    >>> callback = sparse_keras.callbacks.TaskWeightLogs()
    >>> history = model.fit(*ones, callbacks=[callback], verbose=0)
    >>> sorted(history.history)
    ['a_loss', 'a_weight', 'b_loss', 'b_weight', 'loss']
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._layer() is None:
            warnings.warn(
                f"TaskWeightLogs found no learned weights in the model {self.model.name!r}.",
                stacklevel=2,
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        layer = self._layer()
        if logs is not None and layer is not None:
            weights = layer.task_weights()
            logs.update({f"{task}_weight": float(value) for task, value in weights.items()})

    def _layer(self) -> keras.layers.Layer | None:
        return getattr(self.model, "task_weights_layer", None)

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TaskWeightLogs":
        return cls(**config)
