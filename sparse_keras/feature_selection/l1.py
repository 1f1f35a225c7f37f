"""`LogisticRegressionSelector`: features in the order in which they enter an L1 path."""

import warnings
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, lasso_path

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.relevance import moments

# The weakest penalty, as a fraction of the weakest one at which all weights are 0.
WEAKEST = 1e-3
# liblinear also penalises the intercept; a column of this value makes the penalty negligible.
INTERCEPT_COLUMN = 10.0


class LogisticRegressionSelector(FeatureSelector):
    """Selects the features that first enter a logistic regression as its L1 penalty weakens.

    The features are standardised (CSR matrices are only scaled, so they stay CSR). Starting with
    the penalty at which all weights are 0, the penalty decreases step by step, and each step
    minimises

        sum_n log(1 + exp(-y_n (w . x_n + b))) + lambda * ||w||_1

    A feature enters at the lambda at which its weight first differs from 0. Of two redundant
    features, only one enters early. For numbers the model is the Lasso, with squared errors. For
    more than two classes it is fitted one class against the rest, and a feature's score is the
    largest over the classes; several targets are averaged. For classes the path ends as soon as
    enough features have entered.

    The score of a feature is lambda / (N * std(y)) where it enters: its correlation with the
    residual of the features that entered before. For the first feature this is |r| with y.

    Features that enter in the same step are ordered by weight; those that never enter, by the
    gradient of the loss at w = 0.

    Args:
        n_features_to_select: Number of features to select: an integer or a fraction.
        num_penalties: Number of steps, evenly spaced in log lambda.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        scores_: `[D]`, lambda / (N * std(y)) where a feature enters, from 0 to 1; 0 if it did not.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: Number of features, or groups, selected.

    Example:

    >>> from sparse_keras.feature_selection import LogisticRegressionSelector
    >>> x = np.random.default_rng(0).normal(size=(200, 6))
    >>> selector = LogisticRegressionSelector(2).fit(x, x[:, 1] - 2 * x[:, 4] > 0)
    >>> selector.get_support(indices=True)
    array([1, 4])

    Reference:
        [Tibshirani, 1996, Regression Shrinkage and Selection via the Lasso](
        https://doi.org/10.1111/j.2517-6161.1996.tb02080.x)
    """

    _needs_y = True
    _takes_sparse = True

    def __init__(
        self,
        n_features_to_select: float = 0.5,
        num_penalties: int = 30,
        task: str = "auto",
        groups: Any = None,
    ) -> None:
        super().__init__(n_features_to_select, task, groups)
        self.num_penalties = num_penalties

    def _rank(self, x, targets, count, groups, random_state):
        if self.num_penalties < 2:
            raise ValueError(f"num_penalties must be at least 2. Received: {self.num_penalties!r}.")
        x = _standardised(x)
        fractions = WEAKEST ** np.linspace(0.0, 1.0, self.num_penalties)
        entries = [_entries(x, target, fractions, count, groups) for target in targets]
        keys = np.mean(entries, axis=0)
        self.scores_ = keys[0]
        return descending(*keys)


def _standardised(x):
    mean, variance = moments(x)
    scale = np.divide(1.0, np.sqrt(variance), where=variance > 0, out=np.zeros_like(variance))
    if scipy.sparse.issparse(x):
        # liblinear requires 32-bit indices.
        indices = x.indices.astype("int32"), x.indptr.astype("int32")
        return scipy.sparse.csr_array((x.data * scale[x.indices], *indices), shape=x.shape)
    return (x - mean) * scale


def _entries(x, target, fractions, count, groups):
    """Returns `[3, D]`: the score where a feature enters, its weight there, its gradient at 0.

    All in standard deviations of the target.
    """
    x, target = target.of(x)
    if not target.num_classes:
        return _path(x, target.values, fractions, _lasso)
    # For two classes one model suffices, and for a single class there is nothing to learn.
    classes = range(1 if target.num_classes <= 2 else 0, target.num_classes)
    paths = [
        _path(x, target.values == code, fractions, _logistic, count, groups) for code in classes
    ]
    if not paths:
        return np.zeros((3, x.shape[1]))
    of_classes = np.array(paths)
    best = of_classes[:, 0].argmax(axis=0)
    entry, weight = np.take_along_axis(of_classes[:, :2], best[None, None, :], axis=0)[0]
    return np.stack([entry, weight, of_classes[:, 2].max(axis=0)])


def _path(x, y, fractions, weights_along, *stop):
    spread = y.std() * len(y)
    gradient = np.abs(x.T @ (y - y.mean()))
    if spread == 0 or gradient.max() == 0:
        return np.zeros((3, x.shape[1]))
    penalties = fractions[1:] * gradient.max()
    weights = np.abs(weights_along(x, y, penalties, *stop))  # [steps, D]
    entered = weights > 0
    first = entered.argmax(axis=0)
    weight = weights[first, np.arange(x.shape[1])]
    entry = np.where(entered.any(axis=0), penalties[first], 0.0)
    return np.stack([entry / spread, weight, gradient / spread])


def _logistic(x, y, penalties, count, groups):
    weights = []
    inside = np.zeros(x.shape[1], bool)
    for penalty in penalties:
        model = LogisticRegression(
            C=1.0 / penalty,
            l1_ratio=1.0,
            solver="liblinear",
            intercept_scaling=INTERCEPT_COLUMN,
            random_state=0,
        )
        with warnings.catch_warnings():
            # The order converges long before the weights do.
            warnings.simplefilter("ignore", ConvergenceWarning)
            weights.append(model.fit(x, y).coef_[0])
        inside |= weights[-1] != 0
        if len(np.unique(groups[inside])) >= count:
            break
    return np.array(weights)


def _lasso(x, y, penalties):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, weights, _ = lasso_path(x, y - y.mean(), alphas=penalties / len(y), tol=1e-7)
    return weights.T
