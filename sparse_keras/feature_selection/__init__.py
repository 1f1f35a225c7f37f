"""Selects features: six methods and an automatic choice, as scikit-learn transformers.

- by statistics: `UnivariateSelector` (t-test, ANOVA), `LogisticRegressionSelector` (L1);
- by the graph of features: `PageRankSelector`, `BetweennessSelector`;
- by clusters of features: `KMeansSelector`, `DBSCANSelector`;
- `AutoSelector`, which chooses among them by cross-validation.

`base.py` is their base class, `relevance.py` scores single features, `correlations.py` computes
correlations between features, and `scoring.py` scores a selection. Nothing here needs Keras.
"""

from sparse_keras.feature_selection.auto import METHODS, AutoSelector
from sparse_keras.feature_selection.base import FeatureSelector
from sparse_keras.feature_selection.clusters import DBSCANSelector, KMeansSelector
from sparse_keras.feature_selection.graph import BetweennessSelector, PageRankSelector
from sparse_keras.feature_selection.l1 import LogisticRegressionSelector
from sparse_keras.feature_selection.relevance import TargetColumn
from sparse_keras.feature_selection.univariate import UnivariateSelector

__all__ = [
    "METHODS",
    "AutoSelector",
    "BetweennessSelector",
    "DBSCANSelector",
    "FeatureSelector",
    "KMeansSelector",
    "LogisticRegressionSelector",
    "PageRankSelector",
    "TargetColumn",
    "UnivariateSelector",
]
