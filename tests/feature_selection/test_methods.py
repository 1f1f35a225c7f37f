"""Each method against a direct computation, written out."""

import itertools

import networkx as nx
import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from sklearn.feature_selection import f_classif, f_regression
from sklearn.linear_model import LogisticRegression

from sparse_keras.feature_selection import (
    BetweennessSelector,
    DBSCANSelector,
    KMeansSelector,
    LogisticRegressionSelector,
    PageRankSelector,
    TargetColumn,
    UnivariateSelector,
)
from sparse_keras.feature_selection.correlations import correlations
from sparse_keras.feature_selection.graph import feature_graph
from sparse_keras.feature_selection.relevance import explained_variance
from tests.feature_selection.planted import RELEVANT, classes, numbers


@pytest.fixture
def correlated():
    """Six features: two chains of correlated ones, one that joins them, one alone; two classes."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(500, 4))
    x = np.stack(
        [
            z[:, 0],
            z[:, 0] + 0.5 * z[:, 1],
            z[:, 0] + z[:, 2],
            z[:, 2] + 0.3 * z[:, 1],
            -z[:, 2],
            z[:, 3],
        ],
        axis=1,
    )
    return x, (z[:, 2] + 0.5 * z[:, 3] + rng.normal(size=500) > 0).astype(int)


def test_welch_is_that_of_scipy():
    x, y = classes()
    x[y == 1] *= 3.0  # other variances
    selector = UnivariateSelector().fit(x, y)
    t, p = scipy.stats.ttest_ind(x[y == 1], x[y == 0], equal_var=False)
    np.testing.assert_allclose(selector.scores_, np.abs(t), rtol=1e-10)
    np.testing.assert_allclose(selector.pvalues_, p, rtol=1e-8)


def test_anova_and_correlation_are_those_of_scikit_learn():
    x, y = numbers()
    three = np.digitize(y, [-1, 1])
    for test, labels in (("auto", three), ("anova", three), ("anova", three > 1)):
        selector = UnivariateSelector(test=test).fit(x, labels)
        f, p = f_classif(x, labels)
        np.testing.assert_allclose(selector.scores_, f, rtol=1e-9)
        np.testing.assert_allclose(selector.pvalues_, p, rtol=1e-7)
    selector = UnivariateSelector().fit(x, y)
    f, p = f_regression(x, y)
    np.testing.assert_allclose(selector.scores_, f, rtol=1e-8)
    np.testing.assert_allclose(selector.pvalues_, p, rtol=1e-7)


def test_a_feature_that_separates_the_classes_is_the_best():
    x, y = classes()
    x[:, 7] = 5.0 + y
    selector = UnivariateSelector().fit(x, y)
    assert selector.scores_[7] == np.inf and selector.pvalues_[7] == 0
    assert selector.ranking_[7] == 1


def test_several_targets_are_the_mean_of_the_variance_they_explain():
    x, y = numbers()
    three = np.digitize(y, [-1, 1])
    selector = UnivariateSelector().fit(x, np.stack([three, three > 1], axis=1))
    expected = []
    for labels in (three, three > 1):
        means = np.array([x[labels == one].mean(axis=0) for one in labels])  # [N, D]
        expected.append(means.var(axis=0) / x.var(axis=0))
    np.testing.assert_allclose(selector.scores_, np.mean(expected, axis=0), rtol=1e-10)
    smallest = np.minimum(f_classif(x, three)[1], UnivariateSelector().fit(x, three > 1).pvalues_)
    np.testing.assert_allclose(selector.pvalues_, np.minimum(2 * smallest, 1), rtol=1e-7)


def test_rows_without_a_value_say_nothing_of_that_target():
    x, y = classes()
    known = np.random.default_rng(0).random(400) < 0.6
    gaps = TargetColumn(np.where(known, y, 0), 2, known)
    for kind in (UnivariateSelector, LogisticRegressionSelector):
        found = kind(3).fit_targets(x, [gaps])
        expected = kind(3).fit(x[known], y[known])
        if kind is UnivariateSelector:
            np.testing.assert_allclose(found.scores_, expected.scores_)
        assert (found.get_support() == expected.get_support()).all()
    np.testing.assert_allclose(
        explained_variance(x, gaps), explained_variance(x[known], TargetColumn(y[known], 2))
    )


def test_the_l1_path_of_classes():
    """Entries as a search by halves finds them, of the loss that the docstring states."""
    x, y = classes(rows=300, features=12, seed=1, noise=2.0)
    y = (x[:, 2] / x[:, 2].std() + x[:, 5] / x[:, 5].std() + y > 0.7).astype(int)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    selector = LogisticRegressionSelector(12, num_penalties=200).fit(x, y)

    def is_in(feature, penalty):
        model = LogisticRegression(
            C=1 / penalty, l1_ratio=1.0, solver="saga", tol=1e-9, max_iter=10**5
        )
        return model.fit(z, y).coef_[0, feature] != 0

    for feature in (2, 5):
        low, high = 1e-3, 300.0
        for _ in range(12):
            middle = np.sqrt(low * high)
            low, high = (middle, high) if is_in(feature, middle) else (low, middle)
        expected = low / (300 * y.std())
        # Between two steps of the path, and the intercept of liblinear costs a little.
        np.testing.assert_allclose(selector.scores_[feature], expected, rtol=0.08)


def test_the_lasso_path():
    """With orthogonal features each one enters at its own correlation."""
    rng = np.random.default_rng(0)
    x, _ = np.linalg.qr(rng.normal(size=(200, 9)))
    x -= x.mean(axis=0)
    x, _ = np.linalg.qr(x)
    x, y = x[:, :8], rng.normal(size=200) + x[:, :8] @ (10.0 * np.arange(8))
    r = np.abs([np.corrcoef(column, y)[0, 1] for column in x.T])
    selector = LogisticRegressionSelector(4, num_penalties=1000).fit(x, y)
    large = r > 1e-2 * r.max()
    np.testing.assert_allclose(selector.scores_[large], r[large], rtol=0.01)
    assert (np.argsort(-r)[:4] == np.argsort(selector.ranking_)[:4]).all()


def test_of_two_that_say_the_same_l1_takes_one():
    x, y = classes()
    x = np.column_stack([x, x[:, 2] + 0.01 * x[:, 0]])
    assert LogisticRegressionSelector(3).fit(x, y).get_support()[[2, 16]].sum() == 1
    assert UnivariateSelector(3).fit(x, y).get_support()[[2, 16]].sum() in (0, 2)


def test_correlations_are_those_of_scipy(correlated):
    x, _ = correlated
    np.testing.assert_allclose(correlations(x), scipy.stats.spearmanr(x)[0], atol=1e-12)
    np.testing.assert_allclose(correlations(x, "pearson"), np.corrcoef(x.T), atol=1e-12)
    x[:, 2] = 7.0
    assert (correlations(x)[2] == 0).all()


def test_the_graph(correlated):
    x, _ = correlated
    r = np.abs(scipy.stats.spearmanr(x)[0])
    graph = feature_graph(x, threshold=0.4)
    pairs = {(a, b) for a, b in itertools.combinations(range(6), 2) if r[a, b] >= 0.4}
    assert {tuple(sorted(edge)) for edge in graph.edges} == pairs and 5 in graph.nodes
    for a, b in pairs:
        np.testing.assert_allclose(graph[a][b]["weight"], r[a, b], rtol=1e-10)
        np.testing.assert_allclose(graph[a][b]["length"], max(1 - r[a, b], 1e-6), rtol=1e-9)
    nearest = feature_graph(x, threshold=0.0, n_neighbors=1)
    expected = set()
    for a in range(6):
        others = [b for b in range(6) if b != a]
        expected.add(tuple(sorted((a, max(others, key=lambda b: r[a, b])))))
    assert {tuple(sorted(edge)) for edge in nearest.edges} == expected


@pytest.mark.parametrize("supervised", [True, False])
def test_pagerank_solves_its_equation(correlated, supervised):
    x, y = correlated
    selector = PageRankSelector(2, threshold=0.4, damping=0.7)
    p = selector.fit(x, y if supervised else None).scores_
    r = np.abs(scipy.stats.spearmanr(x)[0]) * ~np.eye(6, dtype=bool)
    r = np.where(r >= 0.4, r, 0.0)
    v = explained_variance(x, TargetColumn(y, 2)) if supervised else np.ones(6)
    v = v / v.sum()
    degree = r.sum(axis=1)
    moves = np.where(degree[:, None] > 0, r / np.where(degree, degree, 1)[:, None], v)
    expected = np.linalg.solve(np.eye(6) - 0.7 * moves.T, 0.3 * v)
    np.testing.assert_allclose(p, expected, atol=1e-8)


def test_pagerank_without_edges_is_the_relevance():
    x, y = classes()
    selector = PageRankSelector(3, threshold=1.0).fit(x, y)
    relevance = explained_variance(x, TargetColumn(y, 2))
    np.testing.assert_allclose(selector.scores_, relevance / relevance.sum(), rtol=1e-6)


def test_betweenness_counts_shortest_paths(correlated):
    x, y = correlated
    graph = feature_graph(x, threshold=0.4)
    between = np.zeros(6)
    for s, t in itertools.combinations(range(6), 2):
        if nx.has_path(graph, s, t):
            paths = list(nx.all_shortest_paths(graph, s, t, weight="length"))
            for path in paths:
                for node in path[1:-1]:
                    between[node] += 1 / len(paths)
    between *= 2 / (5 * 4)
    assert between.max() > 0
    selector = BetweennessSelector(2, threshold=0.4, relevance=0.3, random_state=0)
    np.testing.assert_allclose(selector.fit(x, y).betweenness_, between, atol=1e-12)
    v = explained_variance(x, TargetColumn(y, 2))
    expected = 0.7 * between / between.max() + 0.3 * v / v.max()
    np.testing.assert_allclose(selector.scores_, expected, rtol=1e-10)
    np.testing.assert_allclose(selector.fit(x).scores_, between / between.max(), atol=1e-12)


def test_pivots_estimate_betweenness_by_the_seed():
    x = np.random.default_rng(0).normal(size=(60, 40))
    x += x[:, :1]

    def found(pivots, seed=0):
        selector = BetweennessSelector(5, threshold=0.2, num_pivots=pivots, random_state=seed)
        return selector.fit(x).betweenness_

    exact = found(None)
    np.testing.assert_allclose(found(40), exact, atol=1e-12)
    assert not np.allclose(found(10), exact) and not np.allclose(found(10), found(10, seed=1))
    np.testing.assert_array_equal(found(10), found(10))


def test_k_means_finds_the_clusters_and_their_best(correlated):
    x, y = correlated
    rng = np.random.default_rng(0)
    # Three sources; features that are their noisy copies, some of them negative.
    sources = rng.normal(size=(500, 3))
    source_of = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    x = sources[:, source_of] * rng.choice([-1, 1], 8) + 0.3 * rng.normal(size=(500, 8))
    y = x[:, 7] + x[:, 3] > 0
    selector = KMeansSelector(3, random_state=0).fit(x, y)
    same = selector.labels_[:, None] == selector.labels_
    np.testing.assert_array_equal(same, source_of[:, None] == source_of)
    relevance = explained_variance(x, TargetColumn(y.astype(int), 2))
    best = [max(np.flatnonzero(source_of == s), key=lambda f: relevance[f]) for s in range(3)]
    assert set(selector.representatives_) == set(best)
    assert set(selector.get_support(indices=True)) == set(best)
    # Without a target the medoids.
    likeness = correlations(x) ** 2
    medoids = [
        max(np.flatnonzero(source_of == s), key=lambda f: likeness[f][source_of == s].sum())
        for s in range(3)
    ]
    assert set(selector.fit(x).get_support(indices=True)) == set(medoids)


def test_places_of_k_means_have_the_distances_of_the_docstring(monkeypatch):
    x, _ = classes()
    seen = []
    import sparse_keras.feature_selection.clusters as module

    class Spy(module.KMeans):
        def fit(self, places):
            seen.append(places)
            return super().fit(places)

    monkeypatch.setattr(module, "KMeans", Spy)
    KMeansSelector(2, random_state=0).fit(x)
    (places,) = seen
    squared = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared, 2 * (1 - correlations(x) ** 2), atol=1e-10)


def test_more_clusters_keep_the_most_relevant():
    x, y = classes()
    x = np.column_stack([x, x[:, RELEVANT[:1]] + 0.05 * x[:, [0]]])
    selector = KMeansSelector(3, n_clusters=16, random_state=0).fit(x, y)
    chosen = selector.get_support(indices=True)
    assert {5, 11} < set(chosen) and len({2, 16} & set(chosen)) == 1


def test_dbscan_joins_chains():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 3))
    # 0-1-2 is a chain (0 and 2 are not near), 3 and 4 are negatives, 5 is alone.
    x = np.stack(
        [z[:, 0], z[:, 0] + 0.7 * z[:, 1], 0.3 * z[:, 0] + z[:, 1], z[:, 2], -z[:, 2], z[:, 0] * 0],
        axis=1,
    )
    x[:, 5] = rng.normal(size=2000)
    r = np.abs(correlations(x))
    assert r[0, 1] > 0.7 and r[1, 2] > 0.7 and r[0, 2] < 0.6
    selector = DBSCANSelector(eps=0.3).fit(x)
    assert selector.labels_.tolist() == [0, 0, 0, 1, 1, 2]
    assert selector.n_features_to_select_ == 3
    assert selector.get_support(indices=True).tolist() == [1, 3, 5]
    y = x[:, 2] + 0.1 * rng.normal(size=2000) > 0
    assert selector.fit(x, y).get_support(indices=True).tolist() == [2, 3, 5]
    # A core needs more neighbours: then each is alone.
    alone = DBSCANSelector(eps=0.3, min_samples=4).fit(x)
    assert len(set(alone.labels_)) == 6
    # More than there are clusters: the other members follow.
    assert DBSCANSelector(5, eps=0.3).fit(x).get_support().sum() == 5


def test_memory_of_wide_sparse_matrices():
    """40,000 features, 0.1 % of them set: dense they would be 640 MB."""
    rng = np.random.default_rng(0)
    x = scipy.sparse.random_array((2000, 40000), density=0.001, rng=rng, format="csr")
    y = rng.integers(0, 2, 2000)
    x = (
        x + scipy.sparse.csr_array((y * 1.0, (np.arange(2000), np.full(2000, 123))), x.shape)
    ).tocsr()
    for kind in (UnivariateSelector, LogisticRegressionSelector):
        selector = kind(5).fit(x, y)
        assert selector.get_support()[123] and selector.transform(x).shape == (2000, 5)
