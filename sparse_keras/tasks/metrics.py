"""Metrics of `fit` that Keras lacks: accuracy at a threshold, and means over classes.

Where nearly all examples are of one class, accuracy says little, and metrics that count each class
alike, however rare it is, say more. Targets of these are numbers of classes, as for
`keras.metrics.SparseCategoricalAccuracy`.
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="sparse_keras")
class ThresholdAccuracy(keras.metrics.Metric):
    """Share of the labels that are predicted correctly, at a threshold that may change.

    A label is positive from a probability of its threshold on. (`keras.metrics.BinaryAccuracy`
    takes a probability that equals its threshold for negative, and its threshold is fixed.)

    Args:
        threshold: Number between 0 and 1, or one for each label.
        num_labels: Number of labels, L: 1 for two classes.
        name: Name of the metric.
        dtype: Its dtype.

    Example:

    >>> metric = ThresholdAccuracy(0.3)
    >>> metric.update_state([0, 1, 1], [0.1, 0.3, 0.2])
    >>> round(float(metric.result()), 4)
    0.6667
    """

    def __init__(self, threshold=0.5, num_labels=1, name="accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_labels = num_labels
        self._correct, self._count = (
            self.add_weight(shape=(), initializer="zeros", name=of) for of in ("correct", "count")
        )
        # A variable, so that no compiled function must be compiled again for another value. Not one
        # of `add_weight`, which are summed over replicas.
        self._threshold = keras.Variable(
            np.zeros(num_labels), trainable=False, dtype="float32", name="threshold"
        )
        self.threshold = threshold

    @property
    def threshold(self):
        """The threshold, as it was given."""
        return self._given

    @threshold.setter
    def threshold(self, threshold):
        self._given = list(threshold) if np.ndim(threshold) else float(threshold)
        self._threshold.assign(np.broadcast_to(np.float32(threshold), (self.num_labels,)))

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds examples.

        Args:
            y_true: 0 or 1, `[N]` or `[N, L]`.
            y_pred: Probabilities, `[N, L]`.
            sample_weight: Optional weights, `[N]`. Examples of weight 0 do not count.
        """
        shape = (-1, self.num_labels)
        actual = ops.reshape(ops.cast(y_true, "float32"), shape) >= 0.5
        predicted = ops.reshape(ops.cast(y_pred, "float32"), shape) >= self._threshold
        weight = ops.ones_like(predicted, dtype=self.dtype)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, self.dtype), (-1, 1))
        is_correct = ops.cast(ops.equal(actual, predicted), self.dtype)
        self._correct.assign_add(ops.sum(weight * is_correct))
        self._count.assign_add(ops.sum(weight))

    def result(self):
        return ops.divide_no_nan(self._correct, self._count)

    def reset_state(self):
        self._correct.assign(0.0)
        self._count.assign(0.0)

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "num_labels": self.num_labels,
        }


class _ByClass(keras.metrics.Metric):
    """Accumulates the true, the predicted and the correctly predicted examples of each class.

    Args:
        num_classes: Number of classes, C.
        name: Name of the metric.
        dtype: Its dtype.
    """

    def __init__(self, num_classes, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self._actual, self._predicted, self._correct = (
            self.add_weight(shape=(num_classes,), initializer="zeros", name=of)
            for of in ("actual", "predicted", "correct")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds examples.

        Args:
            y_true: Numbers of classes, `[N]` or `[N, 1]`.
            y_pred: Probabilities or scores, `[N, C]`.
            sample_weight: Optional weights, `[N]`. Examples of weight 0 do not count.
        """
        actual = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        predicted = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        weight = ops.ones_like(actual, dtype=self.dtype)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
        correct = weight * ops.cast(ops.equal(actual, predicted), self.dtype)
        for count, classes, weights in (
            (self._actual, actual, weight),
            (self._predicted, predicted, weight),
            (self._correct, actual, correct),
        ):
            count.assign_add(ops.segment_sum(weights, classes, self.num_classes))

    def _mean(self, numerator, denominator):
        """Mean of a ratio over the classes that have examples."""
        denominator = ops.convert_to_tensor(denominator)
        is_present = ops.cast(ops.convert_to_tensor(self._actual) > 0, self.dtype)
        ratio = numerator / ops.where(denominator > 0, denominator, 1.0)
        return ops.sum(is_present * ratio) / ops.maximum(ops.sum(is_present), 1.0)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="sparse_keras")
class MacroF1(_ByClass):
    """Mean over the classes of F1, the harmonic mean of precision and recall.

    `F1 = 2 * correct / (actual + predicted)` of each class. Classes without examples are left out.

    Args:
        num_classes: Number of classes, C.
        name: Name of the metric.
        dtype: Its dtype.

    Example:

    >>> metric = MacroF1(2)
    >>> metric.update_state([0, 0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    >>> round(float(metric.result()), 4)  # (2 * 2 / (3 + 2) + 2 * 1 / (1 + 2)) / 2
    0.7333
    """

    def __init__(self, num_classes, name="macro_f1", dtype=None):
        super().__init__(num_classes, name, dtype)

    def result(self):
        return self._mean(2.0 * self._correct, self._actual + self._predicted)


@keras.saving.register_keras_serializable(package="sparse_keras")
class BalancedAccuracy(_ByClass):
    """Mean over the classes of the share of their examples that is predicted correctly (recall).

    Classes without examples are left out.

    Args:
        num_classes: Number of classes, C.
        name: Name of the metric.
        dtype: Its dtype.

    Example:

    >>> metric = BalancedAccuracy(2)
    >>> metric.update_state([0, 0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    >>> round(float(metric.result()), 4)  # (2 / 3 + 1) / 2
    0.8333
    """

    def __init__(self, num_classes, name="balanced_accuracy", dtype=None):
        super().__init__(num_classes, name, dtype)

    def result(self):
        return self._mean(self._correct, self._actual)
