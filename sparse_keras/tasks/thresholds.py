"""Thresholds: from which probability on an example is positive, and how they are tuned.

This is the only place where a probability of a class or a label becomes a decision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.schema.sections.imbalance import CRITERIA

DEFAULT = 0.5


def is_positive(probability: Any, threshold: Any = DEFAULT) -> np.ndarray:
    """Decides which probabilities are those of positives: the threshold and more.

    Both are compared in float32, as models compute and exports compare them.

    Args:
        probability: `[N]`, or `[N, L]` for labels.
        threshold: A number, or `[L]`.

    Returns:
        Bool array of the shape of `probability`.
    """
    return np.asarray(probability, "float32") >= np.asarray(threshold, "float32")


def check_threshold(threshold: Any) -> float:
    """Returns a threshold as a float.

    Raises:
        ValueError: If it is no number between 0 and 1, in float32 and without the ends.
    """
    is_number = isinstance(threshold, (int, float, np.integer, np.floating))
    if is_number and not isinstance(threshold, bool) and 0 < np.float32(threshold) < 1:
        return float(threshold)
    raise ValueError(
        "Expected a threshold between 0 and 1: examples of that probability and more are "
        f"positive. Received: {threshold!r}."
    )


def tuned_threshold(criterion: str, y: Any, probability: Any, weight: Any = None) -> float | None:
    """Returns the threshold of the best F1 or balanced accuracy.

    Each probability that occurs is tried. The result lies halfway between the lowest one that is
    positive and the next one below, so that rounding moves no example to the other class. Of
    thresholds that are equally good, it is the highest.

    Args:
        criterion: One of `CRITERIA`.
        y: 0 or 1, `[N]`.
        probability: Of 1, `[N]`.
        weight: The weight of each example, `[N]`; `None`: all equal. Examples of weight 0 do not
            count.

    Returns:
        A float; `None` if the examples that count do not have both classes.
    """
    if criterion not in CRITERIA:
        raise ValueError(
            f"A threshold is tuned for {listing(CRITERIA)}. Received: {criterion!r}."
            f"{did_you_mean(criterion, CRITERIA)}"
        )
    y, probability = np.asarray(y), np.asarray(probability, "float32")
    if weight is not None:
        counts = np.asarray(weight) > 0
        y, probability, weight = y[counts], probability[counts], np.asarray(weight)[counts]
    if len(np.unique(y)) < 2 or not np.isfinite(probability).all():
        return None
    false_positive, true_positive, candidates = metrics.roc_curve(
        y, probability, sample_weight=weight, drop_intermediate=False
    )
    if criterion == "f1":
        positives = np.average(y, weights=weight)
        hits = true_positive * positives
        predicted = hits + false_positive * (1 - positives)
        value = 2 * hits / (positives + predicted)
    else:
        value = (true_positive + 1 - false_positive) / 2
    # The first candidate is infinite: nothing is positive. A threshold of 0 is none.
    possible = np.isfinite(candidates) & (candidates > 0)
    if not possible.any():
        return None
    best = int(np.argmax(np.where(possible, value, -1.0)))
    lowest = candidates[best]
    below = candidates[best + 1] if best + 1 < len(candidates) else np.float32(0)
    middle = np.float32((np.float64(lowest) + np.float64(below)) / 2)
    # Of two neighbours in float32, the middle is one of them.
    return float(middle if below < middle < 1 else min(lowest, np.nextafter(np.float32(1), 0)))
