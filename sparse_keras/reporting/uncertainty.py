"""How far a metric, and the difference of two, may be off because the test rows are a sample.

The bootstrap: rows are drawn with replacement, and the standard deviation of the metric over such
draws is its standard error. Large tests are drawn from in part: with m of n rows, the error is that
of m rows, and `sqrt(m / n)` of it that of n.

Reference:
    Efron and Tibshirani, 1993, An Introduction to the Bootstrap; Bickel, Götze and van Zwet, 1997,
    Resampling fewer than n observations.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sparse_keras.tasks.scores import scores

if TYPE_CHECKING:
    from sparse_keras.tasks import SingleTask

RESAMPLES = 100
MOST_DRAWN = 5_000
Z = 1.96  # Of a 95 % interval.
# With fewer rows, or fewer draws in which the metric is defined, no error is estimated.
FEWEST_ROWS, FEWEST = 20, RESAMPLES // 2


def standard_errors(
    task: SingleTask, metric: str, y: np.ndarray, weight: Any, predictions: dict[str, np.ndarray]
) -> dict[str, float | None]:
    """Estimates standard errors by drawing rows.

    Args:
        task: The task.
        metric: The name of a metric of `scores`.
        y: Encoded targets, `[N, ...]`.
        weight: Weights, `[N]`, or `None`.
        predictions: Dict of predictions, that of the model first.

    Returns:
        Dict from each name to a standard error: for the first of its metric, for the others of the
        first one's metric minus theirs, on the same rows. `None` where it cannot be estimated.
    """
    count, (first, *others) = len(y), predictions
    if count < FEWEST_ROWS:
        return dict.fromkeys(predictions)
    drawn, rng = min(count, MOST_DRAWN), np.random.default_rng(0)
    values = {name: [] for name in predictions}
    for _ in range(RESAMPLES):
        rows = rng.integers(count, size=drawn)
        of_rows = None if weight is None else weight[rows]
        metrics = {
            name: scores(task, y[rows], prediction[rows], of_rows, [metric])[metric]
            for name, prediction in predictions.items()
        }
        if None not in metrics.values():
            values[first].append(metrics[first])
            for name in others:
                values[name].append(metrics[first] - metrics[name])
    if len(values[first]) < FEWEST:
        return dict.fromkeys(predictions)
    scale = math.sqrt(drawn / count)
    return {name: float(np.std(sample, ddof=1)) * scale for name, sample in values.items()}
