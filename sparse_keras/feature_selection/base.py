"""Base class of the selectors: validates inputs, counts features, and turns ranks into a support.

A subclass only ranks: `_rank` returns the features from the most to the least important, and the
first `n_features_to_select` are selected.
"""

import numbers
import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sparse_keras.feature_selection.relevance import TargetColumn, target_columns


class FeatureSelector(SelectorMixin, BaseEstimator):
    """Base class of selectors. Subclasses take the arguments below and implement `_rank`.

    NaN and infinite values raise an error, as in scikit-learn. Ties in importance are broken by the
    order of the columns.

    Args:
        n_features_to_select: Number of features to select: an integer, or a fraction in (0, 1],
            which is rounded to at least one feature. If there are fewer features, all are
            selected, with a warning.
        task: What y holds: `"classification"`, `"regression"`, or `"auto"`, which treats whole
            numbers as classes.
        groups: `[D]`, an integer for each feature, or `None`. Features of a group are selected
            together, by the best of them, and `n_features_to_select` counts groups. For example,
            the one-hot columns of a category form a group.

    Attributes:
        ranking_: `[D]`, 1 for the most important feature; the features of a group share its rank.
        scores_: `[D]`, the score of each feature; higher is better.
        n_features_to_select_: Number of features, or groups, selected.
        n_features_in_: Number of features.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.
    """

    # Whether `fit` requires y, and whether X may be a CSR matrix.
    _needs_y = False
    _takes_sparse = False

    def __init__(
        self, n_features_to_select: float = 0.5, task: str = "auto", groups: Any = None
    ) -> None:
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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Ranks the features.

        Args:
            X: `[N, D]`.
            y: `[N]`, classes or numbers; or `[N, T]`, labels of 0 and 1, or several numbers. If it
                is optional and `None`, features are ranked without a target.

        Returns:
            The selector.

        Raises:
            ValueError: If X, y or an argument is invalid.
        """
        return self.fit_targets(*self._validated(X, y))

    def fit_targets(self, x: Any, targets: list[TargetColumn] | None) -> Self:
        """Ranks the features for targets of different kinds, or with missing values.

        Args:
            x: float64 `[N, D]`, finite; CSR if the class supports it. It is not validated.
            targets: A list of `TargetColumn`, or `None`.

        Returns:
            The selector.
        """
        seeded = hasattr(self, "random_state")
        random_state = check_random_state(self.random_state) if seeded else None
        groups = group_numbers(self.groups, x.shape[1])
        count = feature_count(self._requested(), int(groups.max()) + 1)
        order = self._rank(x, targets, count, groups, random_state)
        self._select(order, groups, count)
        return self

    def _requested(self):
        return self.n_features_to_select

    def _rank(self, x, targets, count, groups, random_state):
        """Ranks the features, and sets `scores_`.

        Args:
            x: float64 `[N, D]`, validated; CSR if the class supports it.
            targets: A list of `TargetColumn`, or `None`.
            count: Number of groups that will be selected; the order of the others is arbitrary.
            groups: `[D]`, the index of each feature's group.
            random_state: A `numpy.random.RandomState`, if the selector has a `random_state`.

        Returns:
            The indices of all features, the most important first.
        """
        raise NotImplementedError

    def _select(self, order, groups, count):
        best_of_group = {}
        for feature in order:
            best_of_group.setdefault(groups[feature], len(best_of_group) + 1)
        self.ranking_ = np.array([best_of_group[group] for group in groups])
        self.n_features_to_select_ = count

    def _validated(self, X, y):
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


def feature_count(requested: float, available: int) -> int:
    """Returns the number of features for an integer or a fraction.

    Raises:
        ValueError: If it is neither, or out of range.
    """
    integer = isinstance(requested, numbers.Integral)
    is_bool = isinstance(requested, (bool, np.bool_))
    if integer and not is_bool and requested >= 1:
        if requested > available:
            warnings.warn(
                f"n_features_to_select={requested} is more than the {available} features: all are "
                "selected.",
                UserWarning,
                stacklevel=3,
            )
        return min(int(requested), available)
    if isinstance(requested, numbers.Real) and not integer and 0.0 < requested <= 1.0:
        return max(1, round(requested * available))
    raise ValueError(
        "n_features_to_select must be an integer of at least 1, or a fraction above 0 and at most "
        f"1.0. Received: {requested!r}."
    )


def group_numbers(groups: Any, num_features: int) -> np.ndarray:
    """Returns validated groups `[D]`, numbered from 0 in the order of the columns.

    With `None`, each feature is a group.
    """
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


def descending(*keys: Any) -> np.ndarray:
    """Returns the order of the features by `keys`, highest first. Later keys break ties."""
    return np.lexsort([-np.asarray(key, "float64") for key in reversed(keys)])
