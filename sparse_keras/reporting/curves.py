"""What the predictions of a target look like: scikit-learn's curves, thinned for a page."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics

from sparse_keras.tasks.thresholds import is_positive

_MOST_POINTS = 200  # of a curve
BINS = 10
_Z = 1.96
MOST_PAIRS = 500
_DRAWS = 2_000
# Parts of the rows for which thresholds are listed.
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve, and its point at the threshold.

    Attributes:
        x, y: The points.
        at: The point at the threshold, or `None`.
    """

    x: np.ndarray
    y: np.ndarray
    at: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often predictions of a probability come true.

    Attributes:
        predicted: `[B]`, the mean probability of each bin of rows.
        observed: `[B]`, the share of its rows of which it came true.
        low, high: `[B]`, the ends of the 95 % interval of `observed` (Wilson).
        rows: `[B]`, number of rows.
        error: The mean of `|predicted - observed|` over rows, the expected calibration error.
        noise: What it would be on average if the probabilities were right, by chance alone.
        chance: What it would exceed in 5 % of tables then.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    error: float
    noise: float
    chance: float


def roc(y: np.ndarray, probability: np.ndarray, weight: Any, threshold: float | None) -> Curve:
    """The share of positives found, by the share of negatives that are predicted positive."""
    x, y_, _ = metrics.roc_curve(y, probability, sample_weight=weight)
    at = None if threshold is None else _rates(y, probability, weight, threshold)[:2]
    return Curve(*_thinned(x, y_), at)


def precision_recall(
    y: np.ndarray, probability: np.ndarray, weight: Any, threshold: float | None
) -> Curve:
    """The precision at each recall."""
    precision, recall, _ = metrics.precision_recall_curve(y, probability, sample_weight=weight)
    at = None
    if threshold is not None:
        _, found, right = _rates(y, probability, weight, threshold)
        at = None if right is None else (found, right)
    # At recall 0 nothing is predicted positive, and scikit-learn sets the precision to 1.
    x, y_ = _thinned(recall[:-1][::-1], precision[:-1][::-1])
    return Curve(x, y_, at)


def _rates(y, probability, weight, threshold):
    """(false positive rate, recall, precision) at the threshold; the last `None` if undefined."""
    weight = np.ones(len(y)) if weight is None else weight
    predicted, positive = is_positive(probability, threshold), y == 1
    found = weight[predicted & positive].sum()
    false = weight[predicted & ~positive].sum()
    precision = float(found / (found + false)) if found + false else None
    return (
        float(false / weight[~positive].sum()),
        float(found / weight[positive].sum()),
        precision,
    )


def _thinned(x, y):
    """At most `_MOST_POINTS` points, evenly along the curve, the ends included."""
    if len(x) <= _MOST_POINTS:
        return x, y
    length = np.r_[0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
    places = np.linspace(0, length[-1], _MOST_POINTS)
    points = np.unique(np.searchsorted(length, places).clip(0, len(x) - 1))
    return x[points], y[points]


def calibration(came_true: np.ndarray, probability: np.ndarray, weight: Any) -> Calibration | None:
    """Measures calibration in bins of equally many rows; `None` if all rows have one probability.

    Args:
        came_true: `[N]`, 1 where it did.
        probability: `[N]`.
        weight: `[N]` or `None`.
    """
    weight = np.ones(len(came_true)) if weight is None else np.asarray(weight, "float64")
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, probability, side="right")
    used = np.unique(bins)
    if len(used) < 2:
        return None
    rows = np.array([(bins == b).sum() for b in used])

    def mean(values):
        return np.array([np.average(values[bins == b], weights=weight[bins == b]) for b in used])

    share = np.array([weight[bins == b].sum() for b in used]) / weight.sum()
    # As many rows of equal weight would say as much.
    effective = np.array(
        [weight[bins == b].sum() ** 2 / (weight[bins == b] ** 2).sum() for b in used]
    )
    predicted, observed = mean(probability), mean(came_true)
    middle = (observed + _Z**2 / (2 * effective)) / (1 + _Z**2 / effective)
    half = (
        _Z
        / (1 + _Z**2 / effective)
        * np.sqrt(observed * (1 - observed) / effective + _Z**2 / (4 * effective**2))
    )
    # The mean of the absolute value of a normal variable of deviation s is s * sqrt(2 / pi).
    deviation = np.sqrt(predicted * (1 - predicted) / effective)
    return Calibration(
        predicted,
        observed,
        np.maximum(middle - half, 0.0),
        np.minimum(middle + half, 1.0),
        rows,
        float((share * np.abs(predicted - observed)).sum()),
        float((share * deviation).sum() * np.sqrt(2 / np.pi)),
        _chance(share, deviation),
    )


def _chance(share, deviation):
    """What the error of calibrated probabilities exceeds in 5 % of tables, by simulation."""
    drawn = np.random.default_rng(0).normal(size=(_DRAWS, len(share)))
    return float(np.quantile(np.abs(drawn * deviation) @ share, 0.95))


def at_thresholds(y: np.ndarray, probability: np.ndarray, current: float) -> list[dict[str, Any]]:
    """What other thresholds would do: those above which a round share of the rows lies.

    Args:
        y: `[N]`, 1 for positive rows.
        probability: `[N]`.
        current: The threshold of the model, which is among them.

    Returns:
        A list of dicts, the highest threshold first: `threshold`, `rows` predicted to be positive,
        `right` of them, and `is_current`.
    """
    highest = np.sort(probability)[::-1]
    counts = {max(round(share * len(y)), 1) for share in _SHARES}
    chosen = {float(highest[count - 1]) for count in counts} | {float(current)}
    listed = []
    for threshold in sorted(chosen, reverse=True):
        predicted = is_positive(probability, threshold)
        listed.append(
            {
                "threshold": threshold,
                "rows": int(predicted.sum()),
                "right": int((predicted & (y == 1)).sum()),
                "is_current": threshold == float(current),
            }
        )
    return listed


def by_class(
    y: np.ndarray, predicted: np.ndarray, classes: Sequence[str], weight: Any
) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and number of rows of each class."""
    with warnings.catch_warnings(action="ignore"):
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            y, predicted, labels=range(len(classes)), sample_weight=weight, zero_division=np.nan
        )
    return {
        name: {
            "rows": int((y == n).sum()),
            "precision": _or_none(precision[n]),
            "recall": _or_none(recall[n]),
            "f1": _or_none(f1[n]),
        }
        for n, name in enumerate(classes)
    }


def by_label(
    y: np.ndarray,
    probability: np.ndarray,
    labels: Sequence[str],
    thresholds: Sequence[float],
    weight: Any,
) -> dict[str, dict[str, Any]]:
    """The same of each label, with its AUC."""
    measured = {}
    for n, name in enumerate(labels):
        one = by_class(
            y[:, n].astype(int),
            is_positive(probability[:, n], thresholds[n]).astype(int),
            ("absent", "present"),
            weight,
        )["present"]
        auc = None
        if len(np.unique(y[:, n])) == 2:
            auc = float(metrics.roc_auc_score(y[:, n], probability[:, n], sample_weight=weight))
        measured[name] = {**one, "auc": auc}
    return measured


def pairs(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """True and predicted values of at most `MOST_PAIRS` rows drawn at random, `[n, 2]`."""
    both = np.stack([y, predicted], axis=1)
    if len(both) <= MOST_PAIRS:
        return both
    return both[np.random.default_rng(0).choice(len(both), MOST_PAIRS, replace=False)]


def _or_none(value):
    return float(value) if np.isfinite(value) else None
