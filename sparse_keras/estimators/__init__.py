"""scikit-learn estimators: sparse experts in `cross_val_score`, `GridSearchCV` and `Pipeline`."""

from sparse_keras.estimators.tabular import SparseExpertClassifier, SparseExpertRegressor

__all__ = ["SparseExpertClassifier", "SparseExpertRegressor"]
