"""AUC against scikit-learn: rare positives, confident predictions, weights, several labels."""

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sparse_keras.tasks.auc import AUC


def rare(rows=20_000):
    """Positives are rare, as their probabilities say."""
    rng = np.random.default_rng(0)
    p = (1 / (1 + np.exp(9 - 1.5 * rng.normal(size=rows)))).astype("float32")
    return (rng.random(rows) < p).astype("float32"), p


def confident(rows=5000):
    """Log-odds from -25 to 25: probabilities of float32 that are 1 exactly among them."""
    rng = np.random.default_rng(1)
    y = (rng.random(rows) < 0.5).astype("float32")
    return y, (1 / (1 + np.exp(6 - 12 * y - 8 * rng.normal(size=rows)))).astype("float32")


@pytest.mark.parametrize("examples", [rare, confident])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_close_to_that_of_scikit_learn(examples, weighted):
    y, p = examples()
    weight = np.random.default_rng(2).integers(0, 4, len(y)) if weighted else None
    metric = AUC()
    for rows in (slice(0, 1000), slice(1000, None)):
        metric.update_state(y[rows], p[rows, None], None if weight is None else weight[rows])
    assert abs(float(metric.result()) - roc_auc_score(y, p, sample_weight=weight)) < 1e-4
    # The reason for this metric.
    thresholds = keras.metrics.AUC(num_thresholds=1000)
    thresholds.update_state(y, p, weight)
    assert abs(float(thresholds.result()) - roc_auc_score(y, p, sample_weight=weight)) > 1e-3


def test_ties_count_half_and_order_counts_whole():
    metric = AUC()
    # Positives .9 and .4, negatives .6 and .4: of four pairs, two are right and one is a tie.
    metric.update_state([1, 1, 0, 0], [[0.9], [0.4], [0.6], [0.4]])
    assert float(metric.result()) == pytest.approx(0.625)
    metric.reset_state()
    metric.update_state([1, 0, 0], [[1.0], [0.0], [1e-30]])
    assert float(metric.result()) == 1.0


def test_several_labels_are_averaged_without_those_of_one_class():
    rng = np.random.default_rng(3)
    y = (rng.random((500, 3)) < [0.5, 0.1, 0.0]).astype("float32")
    p = np.clip(0.3 * y + 0.7 * rng.random((500, 3)), 0, 1).astype("float32")
    metric = AUC(3)
    metric.update_state(y, p)
    expected = np.mean([roc_auc_score(y[:, label], p[:, label]) for label in (0, 1)])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-3)


def test_it_is_nan_without_positives():
    metric = AUC()
    metric.update_state([0, 0], [[0.1], [0.2]])
    assert np.isnan(float(metric.result()))


def test_it_is_saved_with_a_model():
    metric = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(AUC(3, num_bins=64, name="area"))
    )
    assert (metric.num_labels, metric.num_bins, metric.name) == (3, 64, "area")
