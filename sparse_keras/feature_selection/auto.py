"""`AutoSelector`: chooses a method and a number of features by cross-validation."""

import itertools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import check_random_state

from sparse_keras.feature_selection.base import FeatureSelector, feature_count, group_numbers
from sparse_keras.feature_selection.clusters import DBSCANSelector, KMeansSelector
from sparse_keras.feature_selection.graph import BetweennessSelector, PageRankSelector
from sparse_keras.feature_selection.l1 import LogisticRegressionSelector
from sparse_keras.feature_selection.scoring import estimator_for, explained
from sparse_keras.feature_selection.univariate import UnivariateSelector

# In the order in which they are tried: from the quickest to the slowest.
METHODS = {
    "univariate": UnivariateSelector,
    "pagerank": PageRankSelector,
    "k_means": KMeansSelector,
    "dbscan": DBSCANSelector,
    "betweenness": BetweennessSelector,
    "l1": LogisticRegressionSelector,
}
RULES = ("one_standard_error", "best")
# The candidate with all features, which needs no method.
ALL = "all"
FRACTIONS = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
COLUMNS = ("method", "count", "mean_score", "std_score", "seconds")


class AutoSelector(FeatureSelector):
    """Chooses a method and a number of features by cross-validation, within a time budget.

    A candidate is a method and a number of features. On each fold, the method ranks the features on
    the training rows, a quick model is trained on the best of them, and scored on the held-out
    rows: by R squared for numbers, and by 1 - log loss / entropy for classes (0 for a model without
    features, 1 for perfect predictions); several targets by the mean. "All features" is a
    candidate, too.

    The rule `"one_standard_error"` chooses the fewest features among the candidates whose mean
    score is within one standard error (over the folds, of the best candidate) of the best mean;
    `"best"` chooses the best mean. The chosen method is then fitted on all rows.

    "All features" is tried first, then numbers of features from the largest to the smallest, each
    with all methods. The search stops after the fold in which the budget is exceeded, but not
    before one candidate is complete; candidates without all of their folds do not count. If the
    budget suffices for all candidates, an integer `random_state` makes the choice reproducible.

    Args:
        methods: Names of methods: `"univariate"`, `"l1"`, `"pagerank"`, `"betweenness"`,
            `"k_means"`, `"dbscan"`; `None` for all that support the input (two support CSR).
        counts: Numbers of features to try, integers or fractions. `None` for 1/16, 1/8, 1/4, 1/2.
        estimator: The quick model: `"linear"` (logistic regression, ridge), `"boosting"`
            (gradient boosting), or a scikit-learn estimator of one target.
        cv: Number of folds; stratified for a single target of classes.
        seconds: The time budget in seconds.
        rule: `"one_standard_error"` or `"best"`.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.
        random_state: Seed of folds, methods and models.

    Attributes:
        best_method_: Name of the chosen method; `"all"` if all features are selected.
        selector_: The fitted selector; `None` for `"all"`.
        results_: A dict of arrays with an entry for each complete candidate, for
            `pandas.DataFrame`: `method`, `count`, `mean_score`, `std_score` (over the folds),
            `seconds` and `chosen`.
        complete_: Whether the budget sufficed for all candidates.
        scores_: `[D]`, those of the chosen selector; all 1 for `"all"`.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: Number of features, or groups, selected.

    Example:

    >>> from sparse_keras.feature_selection import AutoSelector
    >>> x = np.random.default_rng(0).normal(size=(300, 16))
    >>> selector = AutoSelector(methods=["univariate", "k_means"], random_state=0)
    >>> selector.fit(x, x[:, 3] + x[:, 8] > 0).get_support(indices=True)
    array([3, 8])
    >>> selector.best_method_
    'univariate'

    Reference:
        The one-standard-error rule: Breiman, Friedman, Olshen & Stone, 1984, Classification and
        Regression Trees.
    """

    _needs_y = True
    _takes_sparse = True

    def __init__(
        self,
        methods: Sequence[str] | None = None,
        counts: Sequence[float] | None = None,
        estimator: Any = "linear",
        cv: int = 3,
        seconds: float = 60.0,
        rule: str = "one_standard_error",
        task: str = "auto",
        groups: Any = None,
        random_state: Any = None,
    ) -> None:
        # The number of features is not an argument: it is chosen.
        self.methods = methods
        self.counts = counts
        self.estimator = estimator
        self.cv = cv
        self.seconds = seconds
        self.rule = rule
        self.task = task
        self.groups = groups
        self.random_state = random_state

    def fit_targets(self, x, targets):
        start = time.perf_counter()
        self._check_arguments()
        groups = group_numbers(self.groups, x.shape[1])
        available = int(groups.max()) + 1
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        search = _Search(x, targets, self.groups, self.estimator, self.cv, seed)
        candidates = self._candidates(x, available)
        rows = []
        for method, count in candidates:
            begin = time.perf_counter()
            scores = []
            while len(scores) < len(search.folds):
                if rows and time.perf_counter() - start > self.seconds:
                    break
                scores.append(search.score(method, count, len(scores)))
            if len(scores) < len(search.folds):
                break
            spread = float(np.std(scores, ddof=1))
            seconds = time.perf_counter() - begin
            rows.append((method, count, float(np.mean(scores)), spread, seconds))
        self.complete_ = len(rows) == len(candidates)
        chosen = _chosen(rows, self.rule, len(search.folds))
        self.results_ = {
            name: np.array(values)
            for name, values in zip(COLUMNS, zip(*rows, strict=True), strict=True)
        }
        self.results_["chosen"] = np.arange(len(rows)) == chosen
        self.best_method_, self.n_features_to_select_ = rows[chosen][:2]
        if self.best_method_ == ALL:
            self.selector_, self.scores_ = None, np.ones(x.shape[1])
            self._select(np.arange(x.shape[1]), groups, available)
        else:
            self.selector_ = search.selector(self.best_method_, self.n_features_to_select_)
            self.selector_.fit_targets(x, targets)
            self.scores_, self.ranking_ = self.selector_.scores_, self.selector_.ranking_
        return self

    def _check_arguments(self):
        if self.rule not in RULES:
            raise ValueError(
                f"rule must be one of {', '.join(map(repr, RULES))}. Received: {self.rule!r}."
            )
        if self.cv < 2:
            raise ValueError(f"cv must be at least 2. Received: {self.cv!r}.")
        if not self.seconds > 0:
            raise ValueError(f"seconds must be above 0. Received: {self.seconds!r}.")

    def _candidates(self, x, available):
        """Returns all `(method, count)`, in the order in which they are tried."""
        methods = METHODS if self.methods is None else list(self.methods)
        unknown = [name for name in methods if name not in METHODS]
        if unknown or not methods:
            raise ValueError(
                f"methods must be some of {', '.join(map(repr, METHODS))}, or None. "
                f"Received: {self.methods!r}."
            )
        if scipy.sparse.issparse(x):
            dense = [name for name in methods if not METHODS[name]._takes_sparse]
            if dense and self.methods is not None:
                raise ValueError(
                    f"The methods {', '.join(map(repr, dense))} do not support CSR matrices, "
                    "because they compare all features with each other. Leave them out, or pass "
                    "X.toarray()."
                )
            methods = [name for name in methods if name not in dense]
        counts = FRACTIONS if self.counts is None else self.counts
        counts = {feature_count(count, available) for count in counts} - {available}
        ordered = [name for name in METHODS if name in methods]
        turns = itertools.product(sorted(counts, reverse=True), ordered)
        return [(ALL, available), *((method, count) for count, method in turns)]


class _Search:
    """The folds, and a cache of the rankings of the features in them."""

    def __init__(self, x, targets, groups, estimator, cv, seed):
        self.x, self.targets, self.groups = x, targets, groups
        self.estimator, self.seed = estimator, seed
        self.folds = _folds(targets, cv, seed)
        self._rankings = {}

    def selector(self, method, count):
        """Returns the unfitted selector of a candidate."""
        selector = METHODS[method](n_features_to_select=count, groups=self.groups)
        if "random_state" in selector.get_params():
            selector.set_params(random_state=self.seed)
        return selector

    def score(self, method, count, fold):
        """Returns the score of a candidate on one fold: the mean over the targets."""
        train, test = self.folds[fold]
        selected = np.ones(self.x.shape[1], bool)
        if method != ALL:
            selected = self._ranking(method, count, fold) <= count
        x = self.x[:, selected]
        scores = []
        for target in self.targets:
            learn, held_out = _known(target, train), _known(target, test)
            y, y_held_out = target.values[learn], target.values[held_out]
            if not len(held_out) or not (y != y[:1]).any():  # The target is constant here.
                scores.append(0.0)
                continue
            model = estimator_for(target, self.estimator, scipy.sparse.issparse(x), self.seed)
            scores.append(explained(model.fit(x[learn], y), x[held_out], y_held_out, target))
        return np.mean(scores)

    def _ranking(self, method, count, fold):
        # Counts descend, so a ranking for a larger count serves a smaller one; but K-means forms
        # different clusters for each count.
        key = (method, fold, count if method == "k_means" else None)
        if key not in self._rankings:
            train, _ = self.folds[fold]
            targets = [target.rows(train) for target in self.targets]
            fitted = self.selector(method, count).fit_targets(self.x[train], targets)
            self._rankings[key] = fitted.ranking_
        return self._rankings[key]


def _known(target, rows):
    return rows if target.known is None else rows[target.known[rows]]


def _folds(targets, cv, seed):
    """Returns `(training rows, test rows)` of each fold."""
    (first, *others) = targets
    rows = len(first.values)
    folds = min(cv, rows)
    smallest = np.bincount(first.values).min() if first.num_classes else 0
    if not others and first.known is None and smallest >= folds:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(np.zeros(rows), first.values))
    return list(KFold(folds, shuffle=True, random_state=seed).split(np.zeros(rows)))


def _chosen(rows, rule, folds):
    """Returns the index of the candidate that the rule chooses."""
    means = np.array([mean for _, _, mean, _, _ in rows])
    best = int(means.argmax())
    if rule == "best":
        return best
    least = means[best] - rows[best][3] / np.sqrt(folds)
    good = [number for number, mean in enumerate(means) if mean >= least]
    return min(good, key=lambda number: (rows[number][1], -means[number]))
