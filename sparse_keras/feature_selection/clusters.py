"""Selectors by clusters of features: `KMeansSelector` and `DBSCANSelector`.

Features that say the same form a cluster, and one of them stands for it.
"""

import warnings

import numpy as np
from sklearn.cluster import DBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.correlations import correlations
from sparse_keras.feature_selection.relevance import mean_explained_variance


class _ClusterSelector(FeatureSelector):
    """What both share: one representative a cluster, and the order of the representatives."""

    def __init__(self, n_features_to_select, correlation, task="auto", groups=None):
        super().__init__(n_features_to_select, task, groups)
        self.correlation = correlation

    def _rank(self, x, targets, count, groups, random_state):
        likeness = correlations(x, self.correlation) ** 2
        varies = np.diag(likeness) > 0
        self.labels_ = np.full(len(likeness), -1)
        if varies.any():
            inner = likeness[np.ix_(varies, varies)]
            self.labels_[varies] = self._labels(inner, count, random_state)
        # How much of its cluster a feature stands for: the sum of its squared correlations.
        together = (self.labels_[:, None] == self.labels_) & varies & varies[:, None]
        centrality = (likeness * together).sum(axis=1)
        relevance = centrality if targets is None else mean_explained_variance(x, targets)
        self.scores_ = relevance
        order = descending(varies, relevance, centrality)
        # The first of each cluster comes before all others; constant features come last.
        _, first = np.unique(self.labels_[order], return_index=True)
        leads = np.zeros(len(order), bool)
        leads[first] = varies[order[first]]
        self.representatives_ = order[leads]
        return np.concatenate([order[leads], order[~leads]])

    def _labels(self, likeness, count, random_state):
        raise NotImplementedError


class KMeansSelector(_ClusterSelector):
    """Groups the features by K-means, and keeps one of each cluster.

    The features are the points. They are placed so that their squared distances are

        ||f_i - f_j||^2 = 2 (1 - r_ij^2)

    (the matrix of the r_ij^2 is positive semi-definite, its eigenvectors give the places), so that
    a feature and its negative are in the same place. A cluster is represented by its member that is
    most relevant to the target (eta squared, the part of its variance that the target explains;
    for several targets the mean); without y by its medoid, which has the largest sum of squared
    correlations with the others.

    With more clusters than features to select, the representatives that are most relevant (without
    y: that stand for most) are kept: the clusters then only keep repetitions out.

    Args:
        n_features_to_select: How many features to keep: an integer or a fraction.
        n_clusters: Number of clusters; `None`, or fewer than are selected: as many as are.
        correlation: `"spearman"` or `"pearson"`.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.
        random_state: Seed of where K-means starts.

    Attributes:
        labels_: `[D]`: the cluster of each feature; -1 for a constant feature, which has none.
        representatives_: One feature of each cluster, the most important first.
        scores_: `[D]`: eta squared; without y the sum of squared correlations in the cluster.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: How many features, or groups, are kept.

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
        n_features_to_select=0.5,
        n_clusters=None,
        correlation="spearman",
        task="auto",
        groups=None,
        random_state=None,
    ):
        super().__init__(n_features_to_select, correlation, task, groups)
        self.n_clusters = n_clusters
        self.random_state = random_state

    def _labels(self, likeness, count, random_state):
        if self.n_clusters is not None and self.n_clusters < 1:
            raise ValueError(
                f"n_clusters must be at least 1, or None. Received: {self.n_clusters!r}."
            )
        wanted = max(count, self.n_clusters or count)
        values, vectors = np.linalg.eigh(likeness)
        places = vectors * np.sqrt(np.maximum(values, 0.0))
        kmeans = KMeans(min(wanted, len(likeness)), n_init=10, random_state=random_state)
        with warnings.catch_warnings():
            # Fewer distinct places than clusters: equal features are one cluster, as they should.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return kmeans.fit(places).labels_


class DBSCANSelector(_ClusterSelector):
    """Groups the features by density (DBSCAN), and keeps one of each cluster.

    Two features are neighbours when 1 - |r| <= eps; chains of neighbours form a cluster, and a
    feature without neighbours is one of its own. A cluster is represented by its member that is
    most relevant to the target (eta squared, the part of its variance that the target explains;
    for several targets the mean); without y by its medoid, which has the largest sum of squared
    correlations with the others.

    The number of clusters is found, not given. If fewer features are to be selected, those
    representatives are kept that are most relevant (without y: that stand for most); if more, the
    other members follow by the same measure.

    Args:
        n_features_to_select: How many features to keep: an integer or a fraction; `None`: one for
            each cluster.
        eps: Largest distance 1 - |r| between neighbours.
        min_samples: Features within eps, itself included, that make a feature the core of a
            cluster.
        correlation: `"spearman"` or `"pearson"`.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        labels_: `[D]`: the cluster of each feature; -1 for a constant feature, which has none.
        representatives_: One feature of each cluster, the most important first.
        scores_: `[D]`: eta squared; without y the sum of squared correlations in the cluster.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: How many features, or groups, are kept.

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
        n_features_to_select=None,
        eps=0.3,
        min_samples=2,
        correlation="spearman",
        task="auto",
        groups=None,
    ):
        super().__init__(n_features_to_select, correlation, task, groups)
        self.eps = eps
        self.min_samples = min_samples

    def _wanted(self):
        return 1.0 if self.n_features_to_select is None else self.n_features_to_select

    def _keep(self, order, groups, count):
        if self.n_features_to_select is None:
            count = max(1, len(np.unique(groups[self.representatives_])))
        super()._keep(order, groups, count)

    def _labels(self, likeness, count, random_state):
        if not self.eps > 0:
            raise ValueError(f"eps must be above 0. Received: {self.eps!r}.")
        if self.min_samples < 1:
            raise ValueError(f"min_samples must be at least 1. Received: {self.min_samples!r}.")
        distances = 1.0 - np.sqrt(likeness)
        model = DBSCAN(eps=self.eps, min_samples=self.min_samples, metric="precomputed")
        labels = model.fit(distances).labels_
        alone = labels == -1
        labels[alone] = labels.max() + 1 + np.arange(alone.sum())
        return labels
