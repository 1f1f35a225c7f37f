"""What all selectors share: checked inputs, how many features to keep, a ranking, the support.

A selector only has to rank: `_rank` returns the features from the most to the least important,
and the first `n_features_to_select` are kept.
"""

import numbers
import warnings

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sparse_keras.feature_selection.relevance import target_columns


class FeatureSelector(SelectorMixin, BaseEstimator):
    """Base class: derive from it, take the arguments below and implement `_rank`.

    NaN and infinite values are refused, as scikit-learn refuses them. Features of equal importance
    are taken in the order of the columns.

    Args:
        n_features_to_select: How many features to keep: an integer, or a fraction of them
            (0 < f <= 1; rounded, at least one). More than there are keeps all, with a warning.
        task: What y holds: `"classification"`, `"regression"`, or `"auto"`, by its values:
            whole numbers are classes.
        groups: `[D]`, an integer for each feature, or `None`. Features of a group are selected
            together, by the best of them, and `n_features_to_select` counts groups: the one-hot
            block of a category, for example.

    Attributes:
        ranking_: `[D]`, 1 for the most important feature; the features of a group share its rank.
        scores_: `[D]`, what the selector computed for each feature; higher is better.
        n_features_to_select_: How many features, or groups, are kept.
        n_features_in_: Number of features.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.
    """

    # Of a class: whether y is needed, and whether X may be a CSR matrix.
    _needs_y = False
    _takes_sparse = False

    def __init__(self, n_features_to_select=0.5, task="auto", groups=None):
        self.n_features_to_select = n_features_to_select
        self.task = task
        self.groups = groups

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._needs_y
        tags.target_tags.two_d_labels = True
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = self._takes_sparse
        return tags

    def fit(self, X, y=None):
        """Ranks the features.

        Args:
            X: `[N, D]`.
            y: `[N]`: classes or numbers; or `[N, T]`: labels of 0 and 1, or several numbers. Where
                it may be left out, the choice is by the features alone.

        Returns:
            The selector.

        Raises:
            ValueError: If X, y or an argument cannot be used.
        """
        return self.fit_targets(*self._checked(X, y))

    def fit_targets(self, x, targets):
        """`fit` for targets of different kinds, or with missing values.

        Args:
            x: float64 `[N, D]`, finite; CSR if the class takes it. It is not checked.
            targets: A list of `relevance.TargetColumn`, or None.

        Returns:
            The selector.
        """
        seeded = hasattr(self, "random_state")
        random_state = check_random_state(self.random_state) if seeded else None
        groups = group_numbers(self.groups, x.shape[1])
        count = feature_count(self._wanted(), int(groups.max()) + 1)
        order = self._rank(x, targets, count, groups, random_state)
        self._keep(order, groups, count)
        return self

    def _wanted(self):
        return self.n_features_to_select

    def _rank(self, x, targets, count, groups, random_state):
        """Ranks the features, and sets `scores_`.

        Args:
            x: float64 `[N, D]`, checked; CSR if the class takes it.
            targets: A list of `TargetColumn`, or None.
            count: How many groups will be kept; what comes after them may be in any order.
            groups: `[D]`, the number of each feature's group, from 0.
            random_state: A `numpy.random.RandomState`, if the selector has a `random_state`.

        Returns:
            The numbers of all features, the most important first.
        """
        raise NotImplementedError

    def _keep(self, order, groups, count):
        best_of_group = {}
        for feature in order:
            best_of_group.setdefault(groups[feature], len(best_of_group) + 1)
        self.ranking_ = np.array([best_of_group[group] for group in groups])
        self.n_features_to_select_ = count

    def _checked(self, X, y):
        if y is None and self._needs_y:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        sparse = {"accept_sparse": "csr" if self._takes_sparse else False}
        options = {**sparse, "dtype": "float64", "ensure_min_samples": 2}
        if y is None:
            return validate_data(self, X, **options), None
        x, y = validate_data(self, X, y, multi_output=True, **options)
        if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
            y = column_or_1d(y.toarray() if hasattr(y, "toarray") else y, warn=True)
        return x, target_columns(y, self.task)

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.ranking_ <= self.n_features_to_select_


def feature_count(wanted, available):
    """How many features an integer or a fraction means.

    Raises:
        ValueError: If it is neither, or out of range.
    """
    integer = isinstance(wanted, numbers.Integral)
    is_bool = isinstance(wanted, (bool, np.bool_))
    if integer and not is_bool and wanted >= 1:
        if wanted > available:
            warnings.warn(
                f"n_features_to_select={wanted} is more than the {available} there are: all are "
                "kept.",
                UserWarning,
                stacklevel=3,
            )
        return min(int(wanted), available)
    if isinstance(wanted, numbers.Real) and not integer and 0.0 < wanted <= 1.0:
        return max(1, round(wanted * available))
    raise ValueError(
        "n_features_to_select must be an integer of at least 1, or a fraction above 0 and at most "
        f"1.0. Received: {wanted!r}."
    )


def group_numbers(groups, num_features):
    """Checked groups `[D]`, numbered from 0 in the order of the columns; None: each its own."""
    if groups is None:
        return np.arange(num_features)
    groups = np.asarray(groups)
    if groups.shape != (num_features,):
        raise ValueError(
            f"groups must have an entry for each of the {num_features} features. Received shape: "
            f"{list(groups.shape)}."
        )
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]


def descending(*keys):
    """The order of the features by `keys`, highest first; later keys break the ties of earlier."""
    return np.lexsort([-np.asarray(key, "float64") for key in reversed(keys)])
