"""AUC: the area under the ROC curve as a metric of `fit`, whose state must have a fixed size."""

import keras
from keras import ops

from sparse_keras.layers.validation import positive_int


@keras.saving.register_keras_serializable(package="sparse_keras")
class AUC(keras.metrics.Metric):
    """The area under the ROC curve, of one label or as the mean over several.

    A metric of Keras sees one batch after the other and cannot remember them, so that it cannot be
    exact. `keras.metrics.AUC` counts the scores between equally spaced thresholds, and is off
    by up to 0.1 where nearly all probabilities are close to 0 or 1. This one counts them in narrow
    bins of their log-odds, from -24 to 24. Only pairs of examples whose scores fall in one bin are
    not compared; each counts one half. The error is at most half the share of such pairs: in
    trials, below 0.001 for 2,000 examples and more. `train` and `sparse-keras evaluate` report the
    exact value, from all predictions.

    It is NaN as long as no label has both positive and negative examples. A label without them is
    left out of the mean.

    Args:
        num_labels: Number of labels, L.
        num_bins: Number of bins of each label. `None`: 4,096 for one label, else 1,024.
        name: Name of the metric.
        dtype: Its dtype.

    Example:

    >>> metric = AUC()
    >>> metric.update_state([0, 1, 0, 1], [0.001, 0.002, 0.003, 0.004])  # one of four pairs is wrong
    >>> round(float(metric.result()), 4)
    0.75
    """  # noqa: E501

    # Probabilities beyond these log-odds, 4e-11 from 0 or 1, count as equal.
    _LARGEST = 24.0

    def __init__(self, num_labels=1, num_bins=None, name="auc", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_labels = positive_int("num_labels", num_labels)
        if num_bins is None:
            num_bins = 4_096 if num_labels == 1 else 1_024
        self.num_bins = positive_int("num_bins", num_bins)
        self._positives, self._negatives = (
            # float16 cannot count, whatever the dtype of the metric is.
            self.add_weight(
                shape=(num_labels, self.num_bins),
                initializer="zeros",
                dtype="float32",
                name=kind,
            )
            for kind in ("positives", "negatives")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds examples.

        Args:
            y_true: 0 or 1, `[N]` or `[N, L]`.
            y_pred: Probabilities, `[N, L]`.
            sample_weight: Optional weights, `[N]`. Examples of weight 0 do not count.
        """
        probability = ops.reshape(ops.cast(y_pred, "float32"), (-1, self.num_labels))
        positive = ops.reshape(ops.cast(y_true, "float32"), (-1, self.num_labels))
        weight = ops.ones_like(positive)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        log_odds = ops.log(probability) - ops.log1p(-probability)
        position = (log_odds / self._LARGEST + 1.0) * (self.num_bins / 2)
        # Infinite log-odds of 0 and 1 fall in the outermost bins.
        bins = ops.cast(ops.clip(position, 0.0, self.num_bins - 1.0), "int32")
        bins = ops.reshape(bins + ops.arange(self.num_labels) * self.num_bins, (-1,))
        for count, weights in (
            (self._positives, weight * positive),
            (self._negatives, weight * (1.0 - positive)),
        ):
            total = ops.segment_sum(
                ops.reshape(weights, (-1,)), bins, self.num_labels * self.num_bins
            )
            count.assign_add(ops.reshape(total, (self.num_labels, self.num_bins)))

    def result(self):
        positives, negatives = (
            ops.sum(count, axis=1) for count in (self._positives, self._negatives)
        )
        is_defined = ops.cast((positives > 0) & (negatives > 0), "float32")
        # Shares before sums of products: float32 would round counts in the millions.
        of_positives = self._positives / ops.maximum(positives, 1e-30)[:, None]
        of_negatives = self._negatives / ops.maximum(negatives, 1e-30)[:, None]
        below = ops.cumsum(of_negatives, axis=1) - of_negatives / 2
        areas = ops.sum(of_positives * below, axis=1)
        # 0 / 0 is NaN.
        return ops.cast(ops.sum(is_defined * areas) / ops.sum(is_defined), self.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "num_bins": self.num_bins,
        }
