"""`SparseExpertRegressor`, for scikit-learn."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, column_or_1d

from sparse_keras.data import Target
from sparse_keras.estimators.tabular.base import ARGUMENTS, SparseExpertEstimator
from sparse_keras.estimators.tabular.table import free_name


class SparseExpertRegressor(RegressorMixin, SparseExpertEstimator):
    __doc__ = f"""A regressor of sparse experts behind a router, for tables.
    {ARGUMENTS}
    Attributes:
        model_: The trained `models.PreprocessedModel`, which is a `keras.Model`:
            `model_.save("model.keras")`.
        history_: Dict from each log's name to its values, one for each epoch.
        n_iter_: Number of epochs.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, if `fit` got a DataFrame with names.

    Example:

    ```python
    model = sparse_keras.SparseExpertRegressor(num_experts=8).fit(frame, prices)
    model.score(other_frame, other_prices)  # R squared
    ```
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Trains on a table.

        Args:
            X: DataFrame, array or sparse matrix `[N, D]`. NaN is a missing value; a sparse matrix
                may hold none.
            y: The number to predict for each row, `[N]`.

        Returns:
            The estimator.

        Raises:
            ValueError: If X or y cannot be used, or an argument is invalid.
        """
        return self._fit(X, y)

    def _target(self, y, taken):
        if y is None:
            raise ValueError(
                "SparseExpertRegressor requires y to be passed, but the target y is None"
            )
        y = check_array(y, ensure_2d=False, dtype="float64", input_name="y")
        name = free_name("target", taken)
        y = column_or_1d(y, warn=True)
        return Target(name, "regression"), pd.DataFrame({name: y})

    def predict(self, X: Any) -> np.ndarray:
        """The prediction for each row, float32 `[N]`."""
        return self._predict_rows(X)[:, 0]
