"""Estimators for tables."""

from sparse_keras.estimators.tabular.classifier import SparseExpertClassifier
from sparse_keras.estimators.tabular.regressor import SparseExpertRegressor

__all__ = ["SparseExpertClassifier", "SparseExpertRegressor"]
