"""scikit-learn estimators."""

from sparse_keras.estimators.tabular import SparseExpertClassifier, SparseExpertRegressor

__all__ = ["SparseExpertClassifier", "SparseExpertRegressor"]
