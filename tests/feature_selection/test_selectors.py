"""What holds for every selector: scikit-learn's checks, counts, odd columns, odd targets."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from sparse_keras.feature_selection import (
    METHODS,
    AutoSelector,
    BetweennessSelector,
    DBSCANSelector,
    KMeansSelector,
    LogisticRegressionSelector,
    PageRankSelector,
    UnivariateSelector,
)
from tests.feature_selection.planted import RELEVANT, classes, numbers

SELECTORS = {
    "univariate": UnivariateSelector(),
    "l1": LogisticRegressionSelector(),
    "pagerank": PageRankSelector(),
    "betweenness": BetweennessSelector(random_state=0),
    "k_means": KMeansSelector(random_state=0),
    "dbscan": DBSCANSelector(0.5),
}
SUPERVISED = ("univariate", "l1")
ALL = pytest.mark.parametrize("name", SELECTORS)


def with_count(name, count):
    return clone(SELECTORS[name]).set_params(n_features_to_select=count)


def checks():
    auto = AutoSelector(["univariate"], counts=[0.5], cv=2, random_state=0)
    for estimator in (*SELECTORS.values(), DBSCANSelector(), auto):
        for one, check in estimator_checks_generator(estimator):
            name = type(one).__name__
            quick = name in ("UnivariateSelector", "PageRankSelector", "AutoSelector")
            marks = () if quick else pytest.mark.slow
            yield pytest.param(one, check, id=f"{name}-{check.func.__name__}", marks=marks)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_check_estimator(estimator, check):
    check(estimator)


def test_no_keras_is_imported():
    code = (
        "import sys, sparse_keras.feature_selection\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_methods_are_those_tested():
    assert set(METHODS) == set(SELECTORS)


@ALL
def test_counts_and_fractions(name):
    x, y = classes()
    for wanted, count in ((1, 1), (16, 16), (0.25, 4), (1.0, 16), (0.001, 1)):
        selector = with_count(name, wanted).fit(x, y)
        assert selector.get_support().sum() == selector.n_features_to_select_ == count
        assert selector.transform(x).shape == (400, count)
    assert sorted(selector.ranking_) == list(range(1, 17))
    with pytest.warns(UserWarning, match="is more than the 16 features"):
        assert with_count(name, 17).fit(x, y).get_support().all()
    for wrong in (0, -1, 0.0, 1.5, "5", True):
        with pytest.raises(ValueError, match="n_features_to_select must be"):
            with_count(name, wrong).fit(x, y)


@ALL
@pytest.mark.parametrize("data", [classes, numbers])
def test_with_a_target_the_features_that_matter_come_first(name, data):
    """Here all features are independent: what the graph and the clusters add is nothing."""
    x, y = data()
    selector = with_count(name, 3)
    if name == "k_means":
        selector.set_params(n_clusters=16)
    assert selector.fit(x, y).get_support(indices=True).tolist() == RELEVANT


@ALL
def test_one_feature(name):
    x, y = classes()
    selector = with_count(name, 1).fit(x[:, :1], y)
    assert selector.get_support().tolist() == [True]


@ALL
def test_constant_columns_come_last(name):
    x, y = classes()
    x[:, :4] = [0.0, 0.1, -1e9, 1e-9]
    selector = with_count(name, 12).fit(x, y)
    assert selector.get_support().tolist() == [False] * 4 + [True] * 12
    assert np.isfinite(selector.scores_).all()
    if name != "pagerank":  # no edge and no relevance; the walk still has somewhere to go
        assert (selector.scores_[:4] == 0).all()
    nothing = with_count(name, 2).fit(np.ones((10, 3)), np.arange(10) % 2)
    assert nothing.get_support().sum() == 2


@ALL
def test_a_column_three_times(name):
    x, y = classes()
    x = np.column_stack([x, x[:, 5], x[:, 5]])
    selector = with_count(name, 3).fit(x, y)
    assert selector.get_support().sum() == 3 and np.isfinite(selector.scores_).all()
    if name in ("l1", "k_means", "dbscan"):  # those that keep repetitions out
        assert selector.get_support()[[5, 16, 17]].sum() <= 1


@ALL
def test_scale_does_not_matter(name):
    x, y = classes()
    powers = 2.0 ** np.arange(-8, 8)  # exact in floating point
    expected = with_count(name, 4).fit(x, y).get_support()
    np.testing.assert_array_equal(with_count(name, 4).fit(x * powers, y).get_support(), expected)


@ALL
def test_three_classes_as_text(name):
    x, _ = classes(seed=1)
    y = np.array(["a", "b", "c"])[np.digitize(x[:, 5] / x[:, 5].std(), [-0.4, 0.6])]
    selector = with_count(name, 8)
    assert selector.fit(x, y).ranking_[5] == 1


@ALL
def test_several_targets(name):
    x, y = classes()
    other = (x[:, 9] > x[:, 9].mean()).astype(int)
    labels = np.stack([y, other], axis=1)
    selector = with_count(name, 4)
    if name == "k_means":
        selector.set_params(n_clusters=16)
    assert selector.fit(x, labels).get_support(indices=True).tolist() == sorted([*RELEVANT, 9])
    sparse = clone(selector).fit(x, scipy.sparse.csr_array(labels))
    np.testing.assert_array_equal(sparse.ranking_, selector.ranking_)
    both = np.stack([numbers()[1], x[:, 9] / x[:, 9].std()], axis=1)
    assert selector.fit(x, both).get_support()[9]


@ALL
def test_whole_numbers_may_be_numbers(name):
    x, y = numbers()
    whole = np.round(10 * y).astype(int)
    selector = with_count(name, 4).set_params(task="regression").fit(x, whole)
    expected = with_count(name, 4).fit(x, whole + 0.5)
    np.testing.assert_array_equal(selector.ranking_, expected.ranking_)


@ALL
def test_groups_are_selected_together(name):
    x, y = classes()
    groups = np.arange(16) // 4
    selector = with_count(name, 2).set_params(groups=groups).fit(x, y)
    support = selector.get_support().reshape(4, 4)
    assert (support.all(axis=1) | ~support.any(axis=1)).all()
    assert support.any(axis=1).sum() == selector.n_features_to_select_ == 2
    # A group is as good as the best of it.
    single = with_count(name, 2).fit(x, y).ranking_.reshape(4, 4).min(axis=1)
    if name != "k_means":  # which makes as many clusters as are wanted
        assert selector.ranking_[::4][single.argmin()] == 1
    for wrong in ([0, 1], np.zeros((16, 1))):
        with pytest.raises(ValueError, match="groups must have an entry for each"):
            selector.set_params(groups=wrong).fit(x, y)


@ALL
def test_names_and_inverse(name):
    x, y = classes()
    frame = pd.DataFrame(x, columns=[f"column {number}" for number in range(16)])
    selector = with_count(name, 3).fit(frame, y)
    names = selector.get_feature_names_out()
    assert list(names) == list(frame.columns[selector.get_support()])
    back = selector.inverse_transform(selector.transform(frame))
    np.testing.assert_array_equal(back[:, selector.get_support()], frame[names])
    assert (back[:, ~selector.get_support()] == 0).all()
    out = selector.set_output(transform="pandas").transform(frame)
    pd.testing.assert_frame_equal(out, frame[list(names)])


@ALL
def test_missing_values_are_refused(name):
    x, y = classes()
    x[3, 3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        with_count(name, 3).fit(x, y)


@ALL
def test_without_a_target(name):
    x, _ = classes()
    if name in SUPERVISED:
        with pytest.raises(ValueError, match="requires y to be passed"):
            with_count(name, 3).fit(x)
    else:
        assert with_count(name, 3).fit(x).get_support().sum() == 3


@pytest.mark.parametrize("name", SUPERVISED)
@pytest.mark.parametrize("data", [classes, numbers])
def test_sparse_matrices_give_what_dense_ones_do(name, data):
    x, y = data()
    x = np.where(np.random.default_rng(0).random(x.shape) < 0.4, x, 0.0)
    dense = with_count(name, 4).fit(x, y)
    for matrix in (scipy.sparse.csr_matrix(x), scipy.sparse.csc_array(x)):
        found = with_count(name, 4).fit(matrix, y)
        np.testing.assert_array_equal(found.get_support(), dense.get_support())
        assert scipy.sparse.issparse(found.transform(matrix))
        if name == "univariate":
            np.testing.assert_allclose(found.scores_, dense.scores_, rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in SELECTORS if name not in SUPERVISED])
def test_others_refuse_sparse_matrices(name):
    x, y = classes()
    with pytest.raises(TypeError, match="[Ss]parse data was passed"):
        with_count(name, 4).fit(scipy.sparse.csr_matrix(x), y)


def test_in_a_pipeline():
    x, y = classes()
    model = make_pipeline(UnivariateSelector(3), LogisticRegression()).fit(x, y)
    assert model[-1].coef_.shape == (1, 3) and model.score(x, y) > 0.8


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (UnivariateSelector(test="chi2"), "test must be one of.*'chi2'"),
        (UnivariateSelector(task="ranking"), "task must be one of.*'ranking'"),
        (LogisticRegressionSelector(num_penalties=1), "num_penalties"),
        (PageRankSelector(threshold=1.5), "threshold"),
        (PageRankSelector(n_neighbors=0), "n_neighbors"),
        (PageRankSelector(damping=1.0), "damping"),
        (PageRankSelector(correlation="kendall"), "correlation must be one of.*'kendall'"),
        (BetweennessSelector(relevance=2), "relevance"),
        (BetweennessSelector(num_pivots=0), "num_pivots"),
        (KMeansSelector(n_clusters=0), "n_clusters"),
        (DBSCANSelector(eps=0), "eps"),
        (DBSCANSelector(min_samples=0), "min_samples"),
    ],
)
def test_wrong_arguments_are_told(selector, message):
    with pytest.raises(ValueError, match=message):
        selector.fit(*classes())


def test_a_test_needs_its_target():
    x, y = classes()
    with pytest.raises(ValueError, match="needs two classes. Received 4"):
        UnivariateSelector(test="t_test").fit(x, np.arange(400) % 4)
    with pytest.raises(ValueError, match="needs classes. Received numbers"):
        UnivariateSelector(test="anova").fit(*numbers())
