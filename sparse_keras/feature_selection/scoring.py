"""Scores a selection of features: trains a quick model on them, and scores it on other rows.

Scores are the share of the target's variance, or of its entropy, that the features explain: 0 for a
model without features, 1 for perfect predictions.
"""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparse_keras.feature_selection.relevance import TargetColumn

ESTIMATORS = ("linear", "boosting")
LEAST_PROBABILITY = 1e-15


def estimator_for(target: TargetColumn, kind: Any, sparse: bool, seed: int) -> Any:
    """Returns an unfitted model for one target.

    Args:
        target: A `TargetColumn`.
        kind: "linear", "boosting", or a scikit-learn estimator, which is cloned.
        sparse: Whether X is a CSR matrix.
        seed: Integer.
    """
    if not isinstance(kind, str):
        return clone(kind)
    if kind not in ESTIMATORS:
        raise ValueError(
            f"estimator must be one of {', '.join(map(repr, ESTIMATORS))}, or an estimator. "
            f"Received: {kind!r}."
        )
    if kind == "boosting":
        boosting = (
            HistGradientBoostingClassifier if target.num_classes else HistGradientBoostingRegressor
        )
        return boosting(max_iter=50, early_stopping=False, random_state=seed)
    linear = LogisticRegression(max_iter=200) if target.num_classes else Ridge()
    return make_pipeline(StandardScaler(with_mean=not sparse), linear)


def explained(model: Any, x: Any, y: np.ndarray, target: TargetColumn) -> float:
    """Returns the score of a fitted model on rows that it was not trained on.

    For numbers it is R squared. For classes it is 1 - log loss / entropy, where the entropy is the
    log loss of the class frequencies (McFadden's R squared); for an estimator without
    `predict_proba` it is 1 - error rate / error rate of the most frequent class.

    Args:
        model: The fitted estimator.
        x: `[M, D]`.
        y: `[M]`, values as in `target`.
        target: The `TargetColumn` of all rows, for the class frequencies.
    """
    if not target.num_classes:
        spread = ((y - y.mean()) ** 2).mean() or 1.0
        return float(1.0 - ((y - model.predict(x)) ** 2).mean() / spread)
    codes = target.values if target.known is None else target.values[target.known]
    frequencies = np.bincount(codes, minlength=target.num_classes) / len(codes)
    if not hasattr(model, "predict_proba"):
        errors = (model.predict(x) != y).mean()
        return float(1.0 - errors / ((1.0 - frequencies.max()) or 1.0))
    probabilities = np.zeros((len(y), target.num_classes))
    probabilities[:, model.classes_] = model.predict_proba(x)
    chosen = np.clip(probabilities[np.arange(len(y)), y], LEAST_PROBABILITY, 1.0)
    baseline = -np.log(frequencies[y]).mean()
    return float(1.0 + np.log(chosen).mean() / (baseline or 1.0))
