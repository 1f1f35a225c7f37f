"""`LogisticRegressionSelector`: features in the order in which an L1 penalty lets them in."""

import warnings

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, lasso_path

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.relevance import moments

# From the penalty that shuts all features out down to this part of it.
WEAKEST = 1e-3
# liblinear penalises the intercept, too; on a column of this value it hardly counts.
INTERCEPT_COLUMN = 10.0


class LogisticRegressionSelector(FeatureSelector):
    """Keeps the features that a logistic regression under an L1 penalty takes in first.

    The features are standardised (CSR matrices only scaled, they stay sparse). From the penalty
    that holds all weights at 0 down, step by step, one minimises

        sum_n log(1 + exp(-y_n (w . x_n + b))) + lambda * ||w||_1

    and notes at which lambda a weight first leaves 0. Of two features that say the same, one is
    taken. Numbers: the Lasso, with squared errors. More than two classes: each against the rest,
    and the largest of a feature's scores; several targets: their mean. For classes the path ends
    as soon as enough features are in.

    The score of a feature is lambda / (N * std(y)) where it enters: its correlation with what the
    features before it leave unexplained. For the first one that is |r| with y.

    Features that enter in the same step, in the order of their weights; those that never do, in
    that of the loss's gradient at w = 0.

    Args:
        n_features_to_select: How many features to keep: an integer or a fraction.
        num_penalties: Steps of the path, evenly apart in log lambda.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        scores_: `[D]`: lambda / (N * std(y)) where a feature enters, from 0 to 1; 0 if it did not.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: How many features, or groups, are kept.

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

    def __init__(self, n_features_to_select=0.5, num_penalties=30, task="auto", groups=None):
        super().__init__(n_features_to_select, task, groups)
        self.num_penalties = num_penalties

    def _rank(self, x, targets, count, groups, random_state):
        if self.num_penalties < 2:
            raise ValueError(f"num_penalties must be at least 2. Received: {self.num_penalties!r}.")
        x = _standardised(x)
        parts = WEAKEST ** np.linspace(0.0, 1.0, self.num_penalties)
        found = [_entries(x, target, parts, count, groups) for target in targets]
        keys = np.mean(found, axis=0)
        self.scores_ = keys[0]
        return descending(*keys)


def _standardised(x):
    mean, variance = moments(x)
    scale = np.divide(1.0, np.sqrt(variance), where=variance > 0, out=np.zeros_like(variance))
    if scipy.sparse.issparse(x):
        # liblinear wants indices of 32 bits.
        places = x.indices.astype("int32"), x.indptr.astype("int32")
        return scipy.sparse.csr_array((x.data * scale[x.indices], *places), shape=x.shape)
    return (x - mean) * scale


def _entries(x, target, parts, count, groups):
    """Three rows `[3, D]`: the score where a feature enters, its weight there, its gradient at 0.

    All in standard deviations of the target.
    """
    x, target = target.of(x)
    if not target.num_classes:
        return _path(x, target.values, parts, _lasso)
    # Of two classes the second one is enough, and a single one has nothing to tell.
    classes = range(1 if target.num_classes <= 2 else 0, target.num_classes)
    found = [_path(x, target.values == one, parts, _logistic, count, groups) for one in classes]
    if not found:
        return np.zeros((3, x.shape[1]))
    found = np.array(found)
    best = found[:, 0].argmax(axis=0)
    entry, weight = np.take_along_axis(found[:, :2], best[None, None, :], axis=0)[0]
    return np.stack([entry, weight, found[:, 2].max(axis=0)])


def _path(x, y, parts, weights_along, *stop):
    spread = y.std() * len(y)
    gradient = np.abs(x.T @ (y - y.mean()))
    if spread == 0 or gradient.max() == 0:
        return np.zeros((3, x.shape[1]))
    penalties = parts[1:] * gradient.max()
    weights = np.abs(weights_along(x, y, penalties, *stop))  # [steps, D]
    entered = weights > 0
    first = entered.argmax(axis=0)
    weight = weights[first, np.arange(x.shape[1])]
    entry = np.where(entered.any(axis=0), penalties[first], 0.0)
    return np.stack([entry / spread, weight, gradient / spread])


def _logistic(x, y, penalties, count, groups):
    found = []
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
            # The order is settled long before the last digits of the weights are.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.append(model.fit(x, y).coef_[0])
        inside |= found[-1] != 0
        if len(np.unique(groups[inside])) >= count:
            break
    return np.array(found)


def _lasso(x, y, penalties):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, found, _ = lasso_path(x, y - y.mean(), alphas=penalties / len(y), tol=1e-7)
    return found.T
