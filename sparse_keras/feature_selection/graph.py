"""Selectors on the graph of features: `PageRankSelector` and `BetweennessSelector`.

Nodes are features, and edges join correlated features, with |r| as weight.
"""

from typing import Any

import networkx as nx
import numpy as np

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.correlations import correlations
from sparse_keras.feature_selection.relevance import mean_explained_variance

# networkx requires positive lengths; this is the distance between equal features.
SHORTEST = 1e-6


def feature_graph(
    x: np.ndarray,
    correlation: str = "spearman",
    threshold: float = 0.3,
    n_neighbors: int | None = None,
) -> nx.Graph:
    """Builds the graph of features.

    Args:
        x: float64 `[N, D]`, dense.
        correlation: "spearman" or "pearson".
        threshold: Features are joined if |r| is at least this, and above 0.
        n_neighbors: An edge joins two features only if one is among the `n_neighbors` features that
            correlate most with the other. `None` for no such limit.

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
    """Base class: the graph, and the relevance of each node by itself."""

    def __init__(
        self,
        n_features_to_select: float,
        correlation: str,
        threshold: float,
        n_neighbors: int | None,
        task: str = "auto",
        groups: Any = None,
    ) -> None:
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
    """Selects features that are central in the graph of correlations (personalised PageRank).

    Features are joined by an edge if |r| >= threshold, and a random walk follows edges with
    probabilities proportional to |r|. With probability 1 - damping it restarts at any feature, with
    a probability proportional to v_i, the share of the feature's variance that the target explains
    (eta squared; the mean over several targets). Without an edge it always restarts. The score is
    the stationary distribution

        p_i = damping * sum_j p_j |r_ij| / sum_k |r_jk| + (1 - damping) * v_i / sum_k v_k

    A feature ranks high if it is relevant or correlated with relevant features; features without
    edges rank by relevance. Without y, every v_i is 1, and central features rank high.

    Args:
        n_features_to_select: Number of features to select: an integer or a fraction.
        correlation: `"spearman"` or `"pearson"`.
        threshold: Least |r| of an edge.
        n_neighbors: Keeps only edges to the `n_neighbors` most correlated features of either end.
            `None` for all edges.
        damping: Probability of following an edge.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        scores_: `[D]`, p, which sums to 1.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: Number of features, or groups, selected.

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
        n_features_to_select: float = 0.5,
        correlation: str = "spearman",
        threshold: float = 0.3,
        n_neighbors: int | None = None,
        damping: float = 0.85,
        task: str = "auto",
        groups: Any = None,
    ) -> None:
        super().__init__(n_features_to_select, correlation, threshold, n_neighbors, task, groups)
        self.damping = damping

    def _scores(self, graph, relevance, random_state):
        if not 0.0 <= self.damping < 1.0:
            raise ValueError(f"damping must be at least 0, below 1. Received: {self.damping!r}.")
        restarts = None
        if relevance is not None and relevance.sum() > 0:
            restarts = dict(enumerate(relevance.tolist()))
        ranks = nx.pagerank(graph, self.damping, restarts, max_iter=1000, tol=1e-10)
        return np.array([ranks[node] for node in range(len(ranks))])


class BetweennessSelector(_GraphSelector):
    """Selects features that lie on many shortest paths between other features.

    Features are joined by an edge of length 1 - |r| if |r| >= threshold. The betweenness of a
    feature is the mean, over all pairs (s, t) of other features, of the share of their shortest
    paths that pass through it:

        b_i = 2 / ((D - 1)(D - 2)) * sum_{s < t} sigma_st(i) / sigma_st

    Betweenness does not depend on the target. The score therefore combines it with v_i, the share
    of the feature's variance that the target explains (eta squared; the mean over several targets):

        score_i = (1 - relevance) * b_i / max b + relevance * v_i / max v

    Without y, the score is b_i / max b.

    Args:
        n_features_to_select: Number of features to select: an integer or a fraction.
        correlation: `"spearman"` or `"pearson"`.
        threshold: Least |r| of an edge.
        n_neighbors: Keeps only edges to the `n_neighbors` most correlated features of either end.
            `None` for all edges.
        relevance: Weight of the relevance to the target, from 0 to 1.
        num_pivots: Paths start at this number of features, drawn at random; `None` for all
            features. The time is proportional to it.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.
        random_state: Seed of the draw.

    Attributes:
        betweenness_: `[D]`, b.
        scores_: `[D]`, the combined score.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: Number of features, or groups, selected.

    Example:

    >>> from sparse_keras.feature_selection import BetweennessSelector
    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> x = np.stack([z[:, 0], z[:, 0] + z[:, 1], z[:, 1]], axis=1)
    >>> BetweennessSelector(1).fit(x).get_support()
    array([False,  True, False])

    Reference:
        [Freeman, 1977, A Set of Measures of Centrality Based on Betweenness](
        https://doi.org/10.2307/3033543). [Brandes, 2001, A Faster Algorithm for Betweenness
        Centrality](https://doi.org/10.1080/0022250X.2001.9990249)
    """

    def __init__(
        self,
        n_features_to_select: float = 0.5,
        correlation: str = "spearman",
        threshold: float = 0.3,
        n_neighbors: int | None = None,
        relevance: float = 0.5,
        num_pivots: int | None = 200,
        task: str = "auto",
        groups: Any = None,
        random_state: Any = None,
    ) -> None:
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
        values = nx.betweenness_centrality(graph, k=pivots, weight="length", seed=seed)
        self.betweenness_ = np.array([values[node] for node in range(len(graph))])
        centrality = _largest_is_1(self.betweenness_)
        if relevance is None:
            return centrality
        return (1.0 - self.relevance) * centrality + self.relevance * _largest_is_1(relevance)


def _largest_is_1(values):
    return values / values.max() if values.max() > 0 else values
