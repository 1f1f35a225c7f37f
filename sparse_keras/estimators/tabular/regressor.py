"""`SparseExpertRegressor`, for scikit-learn."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, column_or_1d

from sparse_keras.data import MultiTarget, Target
from sparse_keras.estimators.tabular.base import ARGUMENTS, SparseExpertEstimator
from sparse_keras.estimators.tabular.classes import target_names
from sparse_keras.estimators.tabular.table import free_name


class SparseExpertRegressor(RegressorMixin, SparseExpertEstimator):
    __doc__ = f"""A regressor of sparse experts behind a router, for tables.

    For one number, or for several (`y` of shape `[N, T]`), which a multi-gate mixture of experts
    (`models.mmoe`) learns together.
    {ARGUMENTS}
    Attributes:
        model_: The trained `models.PreprocessedModel`, which is a `keras.Model`:
            `model_.save("model.keras")`.
        history_: Dict from each log's name to its values, one for each epoch.
        n_iter_: Number of epochs, all calls of `partial_fit` and of `fit` with `warm_start`
            included.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.

    Example:

    ```python
    model = sparse_keras.SparseExpertRegressor(num_experts=8).fit(frame, prices)
    model.score(other_frame, other_prices)  # R squared
    ```
    """

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        eval_set: Any = None,
        callbacks: Any = None,
    ) -> Self:
        """Trains on a table.

        Args:
            X: DataFrame, array or sparse matrix `[N, D]`. NaN is a missing value; a sparse matrix
                may hold none.
            y: The number to predict for each row, `[N]`; or several, `[N, T]`.
            sample_weight: What each row counts in the loss, `[N]`, not negative. Rows of weight 0
                are left out.
            eval_set: `(X, y)` or `(X, y, sample_weight)`, or a list of one such tuple: rows to
                validate with, instead of a part of the training rows. They decide when training
                stops early.
            callbacks: Keras callbacks, which come after early stopping.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, or an argument is invalid.
        """
        return self._fit(X, y, sample_weight, eval_set, callbacks)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains for one pass over a part of the rows, and goes on where the last call ended.

        The first call learns how the columns are encoded (means, bins and categories) and the mean
        and deviation of the target. Give it rows that stand for all. Categories that first appear
        later are encoded as unseen. No rows are held out, so that training does not stop early.
        `epochs`, `patience` and `validation_fraction` do not count. After `fit`, training goes on
        from its weights.

        Args:
            X: As for `fit`.
            y: As for `fit`.
            sample_weight: As for `fit`.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, or an argument is invalid.
        """
        return self._partial_fit(X, y, sample_weight, self._new_target)

    def _new_target(self, y, taken):
        values = self._numbers(y)
        name = free_name("target", taken)
        if values.shape[1] == 1:
            return Target(name, "regression")
        names = target_names(y, values.shape[1], "target", taken)
        return MultiTarget(name, tuple(Target(one, "regression") for one in names))

    def _check_target(self, y):
        self._target_columns(y, self._features.target)

    def _target_columns(self, y, target):
        values = self._numbers(y)
        if values.shape[1] != len(target.columns):
            raise ValueError(
                f"y must have {len(target.columns)} columns, as in the previous call. Received: "
                f"{values.shape[1]}."
            )
        return pd.DataFrame(values, columns=list(target.columns))

    def _numbers(self, y):
        """The targets as float64 `[N, T]`."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        y = check_array(y, ensure_2d=False, dtype="float64", input_name="y")
        return y if y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)[:, None]

    def predict(self, X: Any) -> np.ndarray:
        """The prediction for each row, float64 `[N]`; for several targets `[N, T]`."""
        predictions = self._predict_rows(X)
        if isinstance(predictions, dict):
            return np.hstack(list(predictions.values())).astype("float64")
        return predictions[:, 0].astype("float64")
