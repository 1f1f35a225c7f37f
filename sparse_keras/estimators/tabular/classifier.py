"""`SparseExpertClassifier`, for scikit-learn."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from sparse_keras.data import Target
from sparse_keras.estimators.tabular.base import ARGUMENTS, SparseExpertEstimator
from sparse_keras.estimators.tabular.table import free_name


class SparseExpertClassifier(ClassifierMixin, SparseExpertEstimator):
    __doc__ = f"""A classifier of sparse experts behind a router, for tables.

    For two or more classes, and for several labels of a row (`y` of shape `[N, L]`, 0 or 1).
    {ARGUMENTS}
    Attributes:
        classes_: The classes; for labels, a list of `[0, 1]` for each.
        model_: The trained `models.PreprocessedModel`, which is a `keras.Model`:
            `model_.save("model.keras")`.
        history_: Dict from each log's name to its values, one for each epoch.
        n_iter_: Number of epochs.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.

    Example:

    ```python
    from sklearn.model_selection import cross_val_score

    cross_val_score(sparse_keras.SparseExpertClassifier(num_experts=16, k=2), frame, y)
    ```
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Trains on a table.

        Args:
            X: DataFrame, array or sparse matrix `[N, D]`. NaN is a missing value; a sparse matrix
                may hold none.
            y: The class of each row, `[N]`; or labels, `[N, L]`, each 0 or 1.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, or an argument is invalid.
        """
        return self._fit(X, y)

    def _target(self, y, taken):
        if y is None:
            raise ValueError(
                "SparseExpertClassifier requires y to be passed, but the target y is None"
            )
        gone = pd.isna(np.asarray(y, dtype=object)).sum()
        if gone:
            raise ValueError(f"Input y contains NaN: {gone} of {len(y)} rows have no class.")
        check_classification_targets(y)
        name = free_name("target", taken)
        if type_of_target(y) == "multilabel-indicator":
            y = check_array(y, accept_sparse=False, dtype="float32")
            self.classes_ = [np.array([0, 1]) for _ in range(y.shape[1])]
            names = tuple(free_name(f"label_{number}", taken) for number in range(y.shape[1]))
            return Target(name, "multilabel", names), pd.DataFrame(y, columns=names)
        y = column_or_1d(y, warn=True)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "SparseExpertClassifier needs at least two classes. Received 1 class: "
                f"{self.classes_[0]!r}."
            )
        task = "binary" if len(self.classes_) == 2 else "multiclass"
        # Codes for classes, since scikit-learn's may be such as 1 and "1" together.
        target = Target(name, task, tuple(range(len(self.classes_))))
        return target, pd.DataFrame({name: codes})

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, `[N]`; or its labels, `[N, L]`."""
        probabilities = self.predict_proba(X)
        if self._multilabel:
            return (probabilities >= 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, `[N, C]`; or of each label, `[N, L]`."""
        probabilities = self._predict_rows(X)
        if self._multilabel or len(self.classes_) > 2:
            return probabilities
        return np.hstack([1.0 - probabilities, probabilities])

    @property
    def _multilabel(self):
        return isinstance(self.classes_, list)
