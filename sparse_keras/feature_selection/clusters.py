"""Selectors by clusters of features: `KMeansSelector` and `DBSCANSelector`.

Redundant features form a cluster, and one of them represents it.
"""

import warnings
from typing import Any

import numpy as np
from sklearn.cluster import DBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.correlations import correlations
from sparse_keras.feature_selection.relevance import mean_explained_variance


class _ClusterSelector(FeatureSelector):
    """Base class: one representative for each cluster, and the order of the representatives."""

    def __init__(
        self,
        n_features_to_select: float | None,
        correlation: str,
        task: str = "auto",
        groups: Any = None,
    ) -> None:
        super().__init__(n_features_to_select, task, groups)
        self.correlation = correlation

    def _rank(self, x, targets, count, groups, random_state):
        similarity = correlations(x, self.correlation) ** 2
        varies = np.diag(similarity) > 0
        self.labels_ = np.full(len(similarity), -1)
        if varies.any():
            inner = similarity[np.ix_(varies, varies)]
            self.labels_[varies] = self._labels(inner, count, random_state)
        # How well a feature represents its cluster: the sum of its squared correlations.
        together = (self.labels_[:, None] == self.labels_) & varies & varies[:, None]
        centrality = (similarity * together).sum(axis=1)
        relevance = centrality if targets is None else mean_explained_variance(x, targets)
        self.scores_ = relevance
        order = descending(varies, relevance, centrality)
        # The first of each cluster comes before all others; constant features come last.
        _, first = np.unique(self.labels_[order], return_index=True)
        leads = np.zeros(len(order), bool)
        leads[first] = varies[order[first]]
        self.representatives_ = order[leads]
        return np.concatenate([order[leads], order[~leads]])

    def _labels(self, similarity, count, random_state):
        raise NotImplementedError


class KMeansSelector(_ClusterSelector):
    """Clusters the features by K-means, and selects one feature of each cluster.

    Each feature is a point. Points are placed so that their squared distances are

        ||f_i - f_j||^2 = 2 (1 - r_ij^2)

    (the matrix of the r_ij^2 is positive semi-definite; its eigenvectors give the coordinates). A
    feature and its negative are the same point. A cluster is represented by the feature that is
    most relevant to the target (eta squared, the share of its variance that the target explains;
    the mean over several targets), or, without y, by its medoid, which has the largest sum of
    squared correlations with the others.

    With more clusters than features to select, the most relevant representatives are selected
    (without y, those with the largest sums): the clusters then only remove redundant features.

    Args:
        n_features_to_select: Number of features to select: an integer or a fraction.
        n_clusters: Number of clusters, at least as many as features are selected. `None` for
            exactly as many.
        correlation: `"spearman"` or `"pearson"`.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.
        random_state: Seed of the initialization of K-means.

    Attributes:
        labels_: `[D]`, the cluster of each feature; -1 for constant features, which have none.
        representatives_: One feature of each cluster, the most important first.
        scores_: `[D]`, eta squared; without y, the sum of squared correlations in the cluster.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: Number of features, or groups, selected.

    Example:

    >>> from sparse_keras.feature_selection import KMeansSelector
    >>> z = np.random.default_rng(0).normal(size=(100, 2))
    >>> x = np.concatenate([z, -z], axis=1)
    >>> KMeansSelector(2, random_state=0).fit(x).labels_.tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
    True

    Reference:
        Lloyd, 1982, [Least Squares Quantization in PCM](https://doi.org/10.1109/TIT.1982.1056489)
    """

    def __init__(
        self,
        n_features_to_select: float = 0.5,
        n_clusters: int | None = None,
        correlation: str = "spearman",
        task: str = "auto",
        groups: Any = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(n_features_to_select, correlation, task, groups)
        self.n_clusters = n_clusters
        self.random_state = random_state

    def _labels(self, similarity, count, random_state):
        if self.n_clusters is not None and self.n_clusters < 1:
            raise ValueError(
                f"n_clusters must be at least 1, or None. Received: {self.n_clusters!r}."
            )
        n_clusters = max(count, self.n_clusters or count)
        values, vectors = np.linalg.eigh(similarity)
        points = vectors * np.sqrt(np.maximum(values, 0.0))
        kmeans = KMeans(min(n_clusters, len(similarity)), n_init=10, random_state=random_state)
        with warnings.catch_warnings():
            # It warns of fewer distinct points than clusters: equal features share a cluster.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return kmeans.fit(points).labels_


class DBSCANSelector(_ClusterSelector):
    """Clusters the features by density (DBSCAN), and selects one feature of each cluster.

    Two features are neighbours if 1 - |r| <= eps. Chains of neighbours form a cluster, and a
    feature without neighbours forms its own cluster. A cluster is represented by the feature that
    is most relevant to the target (eta squared, the share of its variance that the target explains;
    the mean over several targets), or, without y, by its medoid, which has the largest sum of
    squared correlations with the others.

    DBSCAN determines the number of clusters. If fewer features are to be selected, the most
    relevant representatives are (without y, those with the largest sums); if more, other features
    of the clusters follow, by the same measure.

    Args:
        n_features_to_select: Number of features to select: an integer or a fraction. `None` for
            one of each cluster.
        eps: Largest distance 1 - |r| between neighbours.
        min_samples: Number of features within eps, including the feature itself, that make it a
            core point.
        correlation: `"spearman"` or `"pearson"`.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        labels_: `[D]`, the cluster of each feature; -1 for constant features, which have none.
        representatives_: One feature of each cluster, the most important first.
        scores_: `[D]`, eta squared; without y, the sum of squared correlations in the cluster.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: Number of features, or groups, selected.

    Example:

    >>> from sparse_keras.feature_selection import DBSCANSelector
    >>> z = np.random.default_rng(0).normal(size=(100, 2))
    >>> DBSCANSelector().fit(np.concatenate([z, -z], axis=1)).labels_
    array([0, 1, 0, 1])

    Reference:
        Ester, Kriegel, Sander & Xu, 1996, A Density-Based Algorithm for Discovering Clusters in
        Large Spatial Databases with Noise. KDD.
    """

    def __init__(
        self,
        n_features_to_select: float | None = None,
        eps: float = 0.3,
        min_samples: int = 2,
        correlation: str = "spearman",
        task: str = "auto",
        groups: Any = None,
    ) -> None:
        super().__init__(n_features_to_select, correlation, task, groups)
        self.eps = eps
        self.min_samples = min_samples

    def _requested(self):
        return 1.0 if self.n_features_to_select is None else self.n_features_to_select

    def _select(self, order, groups, count):
        if self.n_features_to_select is None:
            count = max(1, len(np.unique(groups[self.representatives_])))
        super()._select(order, groups, count)

    def _labels(self, similarity, count, random_state):
        if not self.eps > 0:
            raise ValueError(f"eps must be above 0. Received: {self.eps!r}.")
        if self.min_samples < 1:
            raise ValueError(f"min_samples must be at least 1. Received: {self.min_samples!r}.")
        distances = 1.0 - np.sqrt(similarity)
        model = DBSCAN(eps=self.eps, min_samples=self.min_samples, metric="precomputed")
        labels = model.fit(distances).labels_
        alone = labels == -1
        labels[alone] = labels.max() + 1 + np.arange(alone.sum())
        return labels
