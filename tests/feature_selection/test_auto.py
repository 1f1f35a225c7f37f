"""`AutoSelector`: what it tries, what it takes, and when it stops."""

import time

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparse_keras.feature_selection import METHODS, AutoSelector, TargetColumn, UnivariateSelector
from sparse_keras.feature_selection.auto import _chosen
from sparse_keras.feature_selection.scoring import explained
from tests.feature_selection.planted import RELEVANT, classes, numbers

QUICK = {"methods": ["univariate", "l1"], "counts": [3, 8], "random_state": 0}


@pytest.mark.parametrize("data", [classes, numbers])
def test_the_features_that_matter_and_no_others(data):
    x, y = data()
    selector = AutoSelector(counts=[2, 3, 6], random_state=0).fit(x, y)
    assert selector.get_support(indices=True).tolist() == RELEVANT
    assert selector.n_features_to_select_ == 3 and selector.complete_
    results = selector.results_
    assert len(results["method"]) == 1 + 3 * len(METHODS)
    assert set(results["method"]) == {"all", *METHODS}
    (chosen,) = np.flatnonzero(results["chosen"])
    assert results["method"][chosen] == selector.best_method_
    assert results["count"][chosen] == 3
    assert (results["seconds"] > 0).all() and (results["std_score"] >= 0).all()
    np.testing.assert_array_equal(selector.ranking_, selector.selector_.ranking_)


def test_the_scores_are_those_of_cross_validation():
    """Selected on the training rows of each fold, scored on the others: no row is seen twice."""
    x, y = classes()
    selector = AutoSelector(["univariate"], counts=[3], cv=4, rule="best", random_state=5).fit(x, y)
    seed = int(np.random.RandomState(5).randint(2**31 - 1))
    folds = StratifiedKFold(4, shuffle=True, random_state=seed)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    entropy = -np.mean(np.log(np.bincount(y) / 400)[y])
    for steps, row in (([linear], 0), ([UnivariateSelector(3), linear], 1)):
        losses = -cross_val_score(make_pipeline(*steps), x, y, cv=folds, scoring="neg_log_loss")
        baseline = [
            -np.mean(np.log(np.bincount(y) / 400)[y[held]]) for _, held in folds.split(x, y)
        ]
        np.testing.assert_allclose(baseline, entropy, rtol=1e-2)
        scores = 1 - losses / baseline
        np.testing.assert_allclose(selector.results_["mean_score"][row], scores.mean(), rtol=1e-6)
        np.testing.assert_allclose(selector.results_["std_score"][row], scores.std(ddof=1))


def test_rules():
    rows = [
        ("all", 16, 0.80, 0.05, 1.0),
        ("l1", 8, 0.82, 0.06, 1.0),
        ("l1", 4, 0.79, 0.01, 1.0),
        ("univariate", 4, 0.795, 0.01, 1.0),
        ("l1", 2, 0.70, 0.3, 1.0),
    ]
    assert _chosen(rows, "best", 4) == 1
    assert _chosen(rows, "one_standard_error", 4) == 3  # 0.82 - 0.06 / 2 = 0.79, and fewest
    assert _chosen(rows, "one_standard_error", 10**6) == 1


def test_a_tiny_budget_still_gives_an_answer():
    x, y = classes()
    selector = AutoSelector(seconds=1e-9, random_state=0).fit(x, y)
    assert selector.results_["method"].tolist() == ["all"] and not selector.complete_
    assert selector.best_method_ == "all" and selector.get_support().all()
    assert selector.selector_ is None and selector.n_features_to_select_ == 16


def test_the_budget_is_kept(monkeypatch):
    x, y = classes()

    calls = []

    def slow(self, *arguments):
        calls.append(arguments)
        time.sleep(0.1)
        return original(self, *arguments)

    original = UnivariateSelector._rank
    monkeypatch.setattr(UnivariateSelector, "_rank", slow)
    selector = AutoSelector(["univariate"], counts=[1, 2, 3], cv=50, seconds=0.5).fit(x, y)
    # Half a second is at most five of the 50 calls; the choice may be fitted once more.
    assert len(calls) < 10 and not selector.complete_
    assert selector.results_["method"].tolist() == ["all"]


@pytest.mark.slow
def test_a_seed_repeats():
    x, y = classes(noise=3.0)
    one, two = (AutoSelector(["k_means", "betweenness"], random_state=3).fit(x, y) for _ in "ab")
    np.testing.assert_array_equal(one.ranking_, two.ranking_)
    np.testing.assert_array_equal(one.results_["mean_score"], two.results_["mean_score"])
    other = AutoSelector(["k_means", "betweenness"], random_state=4).fit(x, y)
    assert (other.results_["mean_score"] != one.results_["mean_score"]).any()


@pytest.mark.slow
def test_boosting_sees_what_a_linear_model_cannot():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 8))
    y = (x[:, 1] * x[:, 4] > 0).astype(int)
    x[:, 1] += 0.5 * y  # so that the t-test ranks both among the first
    x[:, 4] += 0.5 * y
    arguments = {"methods": ["univariate"], "counts": [2], "random_state": 0}
    arguments["seconds"] = 1000.0  # Boosting takes a second, and minutes where cores are busy.
    linear = AutoSelector(**arguments).fit(x, y)
    boosting = AutoSelector(**arguments, estimator="boosting").fit(x, y)
    assert boosting.results_["mean_score"][1] > linear.results_["mean_score"][1] + 0.2
    assert boosting.get_support(indices=True).tolist() == [1, 4]


def test_an_estimator_of_ones_own():
    x, y = classes()
    selector = AutoSelector(**QUICK, estimator=LogisticRegression(C=0.1)).fit(x, y)
    assert selector.get_support(indices=True).tolist() == RELEVANT
    # Without probabilities, by its errors.
    selector = AutoSelector(**QUICK, estimator=RidgeClassifier()).fit(x, y)
    assert selector.get_support(indices=True).tolist() == RELEVANT


def test_several_targets_text_and_groups():
    x, y = classes()
    labels = np.stack([y, x[:, 9] > x[:, 9].mean()], axis=1).astype(int)
    selector = AutoSelector(["univariate"], counts=[4, 8], random_state=0).fit(x, labels)
    assert selector.get_support(indices=True).tolist() == sorted([*RELEVANT, 9])
    text = AutoSelector(**QUICK).fit(x, np.array(["no", "yes"])[y])
    assert text.get_support(indices=True).tolist() == RELEVANT
    groups = np.arange(16) // 2
    grouped = AutoSelector(["univariate"], counts=[3], groups=groups, random_state=0).fit(x, y)
    assert grouped.get_support(indices=True).tolist() == [2, 3, 4, 5, 10, 11]
    assert grouped.n_features_to_select_ == 3


def test_a_class_that_is_rarer_than_the_folds():
    x, y = classes()
    y[:2] = 2
    assert AutoSelector(**QUICK).fit(x, y).get_support()[RELEVANT].all()


def test_rows_without_a_value():
    x, y = classes()
    known = np.random.default_rng(0).random(400) < 0.7
    gaps = TargetColumn(np.where(known, y, 0), 2, known)
    selector = AutoSelector(**QUICK).fit_targets(x, [gaps, TargetColumn(x[:, 9])])
    assert selector.get_support()[[*RELEVANT, 9]].all()


def test_sparse_matrices():
    x, y = classes()
    x = scipy.sparse.csr_array(np.where(np.random.default_rng(0).random(x.shape) < 0.7, x, 0))
    selector = AutoSelector(counts=[3], random_state=0).fit(x, y)
    assert set(selector.results_["method"]) == {"all", "univariate", "l1"}
    with pytest.raises(ValueError, match="The methods 'k_means'.* do not support CSR matrices"):
        AutoSelector(["univariate", "k_means"]).fit(x, y)


def test_the_score():
    """0 knows nothing, 1 is perfect."""

    class Fixed:
        classes_ = np.array([0, 1])

        def __init__(self, probability):
            self.probability = probability

        def predict_proba(self, x):
            return np.stack([1 - self.probability, self.probability], axis=1)

    y = np.array([0, 1, 1, 1])
    target = TargetColumn(y, 2)
    assert explained(Fixed(np.full(4, 0.75)), y, y, target) == pytest.approx(0.0)
    assert explained(Fixed(y * 1.0), y, y, target) == pytest.approx(1.0, abs=1e-12)
    # -(ln 0.5) over the entropy, -(ln 0.25 + 3 ln 0.75) / 4 = 0.562335
    assert explained(Fixed(np.full(4, 0.5)), y, y, target) == pytest.approx(1 - 0.693147 / 0.562335)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ["lasso"]}, "methods must be some of.*'lasso'"),
        ({"methods": []}, "methods must be some of"),
        ({"rule": "first"}, "rule must be one of.*'first'"),
        ({"cv": 1}, "cv must be at least 2"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"estimator": "forest"}, "estimator must be one of.*'forest'"),
        ({"counts": [0]}, "n_features_to_select must be"),
    ],
)
def test_wrong_arguments_are_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        AutoSelector(**arguments).fit(*classes())
