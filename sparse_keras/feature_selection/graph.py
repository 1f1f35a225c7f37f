"""Selectors on the graph of features: `PageRankSelector` and `BetweennessSelector`.

The nodes are the features; an edge joins two that are correlated, and is as heavy as they are.
"""

import networkx as nx
import numpy as np

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.correlations import correlations
from sparse_keras.feature_selection.relevance import mean_explained_variance

# networkx wants lengths above 0; equal features are this far apart.
SHORTEST = 1e-6


def feature_graph(x, correlation="spearman", threshold=0.3, n_neighbors=None):
    """The graph of features.

    Args:
        x: float64 `[N, D]`, dense.
        correlation: "spearman" or "pearson".
        threshold: Features are joined when |r| is at least this, and above 0.
        n_neighbors: Of a feature's edges only those to this many most correlated features stay,
            and those by which it is such a neighbour of another; None: all.

    Returns:
        A `networkx.Graph` of the nodes 0 ... D-1; edges have a `weight`, |r|, and a `length`,
        1 - |r|, at least 1e-6.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must be between 0 and 1. Received: {threshold!r}.")
    if n_neighbors is not None and n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, or None. Received: {n_neighbors!r}.")
    weights = np.abs(correlations(x, correlation))
    np.fill_diagonal(weights, 0.0)
    joined = (weights >= threshold) & (weights > 0)
    if n_neighbors is not None and n_neighbors < len(weights):
        nearest = np.argsort(-weights, axis=1, kind="stable")[:, :n_neighbors]
        chosen = np.zeros_like(joined)
        np.put_along_axis(chosen, nearest, True, axis=1)
        joined &= chosen | chosen.T
    graph = nx.Graph()
    graph.add_nodes_from(range(len(weights)))
    first, second = np.nonzero(np.triu(joined))
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        weight = float(weights[a, b])
        graph.add_edge(a, b, weight=weight, length=max(1.0 - weight, SHORTEST))
    return graph


class _GraphSelector(FeatureSelector):
    """What both share: the graph, and how relevant each node is by itself."""

    def __init__(
        self, n_features_to_select, correlation, threshold, n_neighbors, task="auto", groups=None
    ):
        super().__init__(n_features_to_select, task, groups)
        self.correlation = correlation
        self.threshold = threshold
        self.n_neighbors = n_neighbors

    def _rank(self, x, targets, count, groups, random_state):
        graph = feature_graph(x, self.correlation, self.threshold, self.n_neighbors)
        relevance = None if targets is None else mean_explained_variance(x, targets)
        self.scores_ = self._scores(graph, relevance, random_state)
        return descending(self.scores_)

    def _scores(self, graph, relevance, random_state):
        raise NotImplementedError


class PageRankSelector(_GraphSelector):
    """Keeps the features where a random walk on the graph of features is most often.

    Features are joined when they are correlated, |r| >= threshold, and the walk follows an edge
    in proportion to |r|. With probability 1 - damping it jumps instead: to any feature, in
    proportion to v_i, the part of the feature's variance that the target explains (eta squared;
    for several targets the mean). Where there is no edge it always jumps. So

        p_i = damping * sum_j p_j |r_ij| / sum_k |r_jk| + (1 - damping) * v_i / sum_k v_k

    A feature ranks high when it is relevant, or correlated with such features; one without edges
    keeps the rank of its relevance. Without y every v_i is 1: the features at the centre.

    Args:
        n_features_to_select: How many features to keep: an integer or a fraction.
        correlation: `"spearman"` or `"pearson"`.
        threshold: Least |r| of an edge.
        n_neighbors: Only edges to so many most correlated features, from either end; `None`: all.
        damping: Probability of following an edge.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        scores_: `[D]`: p, which sums to 1.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: How many features, or groups, are kept.

    Example:

    >>> from sparse_keras.feature_selection import PageRankSelector
    >>> x = np.random.default_rng(0).normal(size=(200, 5))
    >>> PageRankSelector(2).fit(x, x[:, 0] + x[:, 3]).get_support(indices=True)
    array([0, 3])

    Reference:
        [Brin & Page, 1998, The Anatomy of a Large-Scale Hypertextual Web Search Engine](
        https://doi.org/10.1016/S0169-7552(98)00110-X)
    """

    def __init__(
        self,
        n_features_to_select=0.5,
        correlation="spearman",
        threshold=0.3,
        n_neighbors=None,
        damping=0.85,
        task="auto",
        groups=None,
    ):
        super().__init__(n_features_to_select, correlation, threshold, n_neighbors, task, groups)
        self.damping = damping

    def _scores(self, graph, relevance, random_state):
        if not 0.0 <= self.damping < 1.0:
            raise ValueError(f"damping must be at least 0, below 1. Received: {self.damping!r}.")
        jumps = None
        if relevance is not None and relevance.sum() > 0:
            jumps = dict(enumerate(relevance.tolist()))
        found = nx.pagerank(graph, self.damping, jumps, max_iter=1000, tol=1e-10)
        return np.array([found[node] for node in range(len(found))])


class BetweennessSelector(_GraphSelector):
    """Keeps the features through which most shortest paths between other features go.

    Features are joined when |r| >= threshold, by an edge of length 1 - |r|. The betweenness of a
    feature is the mean, over the pairs (s, t) of other features, of the part of the shortest paths
    that pass it:

        b_i = 2 / ((D - 1)(D - 2)) * sum_{s < t} sigma_st(i) / sigma_st

    It knows nothing of the target, so that it is mixed with the part v_i of the feature's variance
    that the target explains (eta squared; for several targets the mean):

        score_i = (1 - relevance) * b_i / max b + relevance * v_i / max v

    Without y the score is b_i / max b: the features that connect the others.

    Args:
        n_features_to_select: How many features to keep: an integer or a fraction.
        correlation: `"spearman"` or `"pearson"`.
        threshold: Least |r| of an edge.
        n_neighbors: Only edges to so many most correlated features, from either end; `None`: all.
        relevance: Weight of the relevance to the target, from 0 to 1.
        num_pivots: Paths start at so many features, drawn at random, if there are more; `None`: at
            all. Time grows with it.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.
        random_state: Seed of the draw.

    Attributes:
        betweenness_: `[D]`: b.
        scores_: `[D]`.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: How many features, or groups, are kept.

    Example:

    >>> from sparse_keras.feature_selection import BetweennessSelector
    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> x = np.stack([z[:, 0], z[:, 0] + z[:, 1], z[:, 1]], axis=1)  # the second joins the others
    >>> BetweennessSelector(1).fit(x).get_support()
    array([False,  True, False])

    Reference:
        [Freeman, 1977, A Set of Measures of Centrality Based on Betweenness](
        https://doi.org/10.2307/3033543). [Brandes, 2001, A Faster Algorithm for Betweenness
        Centrality](https://doi.org/10.1080/0022250X.2001.9990249)
    """

    def __init__(
        self,
        n_features_to_select=0.5,
        correlation="spearman",
        threshold=0.3,
        n_neighbors=None,
        relevance=0.5,
        num_pivots=200,
        task="auto",
        groups=None,
        random_state=None,
    ):
        super().__init__(n_features_to_select, correlation, threshold, n_neighbors, task, groups)
        self.relevance = relevance
        self.num_pivots = num_pivots
        self.random_state = random_state

    def _scores(self, graph, relevance, random_state):
        if not 0.0 <= self.relevance <= 1.0:
            raise ValueError(f"relevance must be between 0 and 1. Received: {self.relevance!r}.")
        if self.num_pivots is not None and self.num_pivots < 1:
            raise ValueError(
                f"num_pivots must be at least 1, or None. Received: {self.num_pivots!r}."
            )
        pivots = None if self.num_pivots is None else min(self.num_pivots, len(graph))
        seed = int(random_state.randint(2**31 - 1))
        found = nx.betweenness_centrality(graph, k=pivots, weight="length", seed=seed)
        self.betweenness_ = np.array([found[node] for node in range(len(graph))])
        centrality = _largest_is_1(self.betweenness_)
        if relevance is None:
            return centrality
        return (1.0 - self.relevance) * centrality + self.relevance * _largest_is_1(relevance)


def _largest_is_1(values):
    return values / values.max() if values.max() > 0 else values
