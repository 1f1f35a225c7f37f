"""`AutoSelector`: which method, and how many features, by cross-validation within a time budget."""

import itertools
import time

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

# From the quickest to the slowest, which is the order in which they are tried.
METHODS = {
    "univariate": UnivariateSelector,
    "pagerank": PageRankSelector,
    "k_means": KMeansSelector,
    "dbscan": DBSCANSelector,
    "betweenness": BetweennessSelector,
    "l1": LogisticRegressionSelector,
}
RULES = ("one_standard_error", "best")
# The candidate that keeps everything: no method is needed for it.
ALL = "all"
FRACTIONS = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
COLUMNS = ("method", "count", "mean_score", "std_score", "seconds")


class AutoSelector(FeatureSelector):
    """Finds the method and the number of features by cross-validation, within a time budget.

    A candidate is a method and a number of features. On each fold the method ranks the features of
    the training rows, a quick model learns from the first ones, and is scored on the rows left
    out: by R squared for numbers, by 1 - log loss / entropy for classes (0 knows nothing, 1 is
    perfect); several targets by the mean. "All features" is a candidate, too.

    The rule `"one_standard_error"` then takes the fewest features among the candidates whose mean
    score is within one standard error (over the folds, of the best candidate) of the best mean;
    `"best"` takes the best mean. The chosen method is fitted again, on all rows.

    "All features" comes first, then the numbers from the largest to the smallest, at each of which
    the methods take turns. The search stops when the budget is used up, after the fold under way,
    but not before one candidate is done; a candidate without all of its folds does not count. If
    the budget is enough for all candidates, an integer `random_state` repeats the choice.

    Args:
        methods: Names of methods: `"univariate"`, `"l1"`, `"pagerank"`, `"betweenness"`,
            `"k_means"`, `"dbscan"`; `None` for all that take the input (two of them take CSR).
        counts: Numbers of features to try, integers or fractions; `None`: 1/16, 1/8, 1/4, 1/2.
        estimator: The quick model: `"linear"` (logistic regression, ridge), `"boosting"`
            (gradient boosting), or a scikit-learn estimator of one target.
        cv: Number of folds; stratified for one target of classes.
        seconds: The time budget.
        rule: `"one_standard_error"` or `"best"`.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.
        random_state: Seed of folds, methods and models.

    Attributes:
        best_method_: Name of the chosen method; `"all"` if all features are kept.
        selector_: The fitted selector; `None` for `"all"`.
        results_: A dict of equally long arrays, a row for each finished candidate, for
            `pandas.DataFrame`: `method`, `count`, `mean_score`, `std_score` (over the folds),
            `seconds` and `chosen`.
        complete_: Whether the budget was enough for all candidates.
        scores_: `[D]`, those of the chosen selector; all 1 for `"all"`.
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: How many features, or groups, are kept.

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
        methods=None,
        counts=None,
        estimator="linear",
        cv=3,
        seconds=60.0,
        rule="one_standard_error",
        task="auto",
        groups=None,
        random_state=None,
    ):
        # Not the number of features: that is what is found.
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
            self._keep(np.arange(x.shape[1]), groups, available)
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
        """`(method, count)` in the order in which they are tried."""
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
                    f"A sparse matrix is no input of the methods {', '.join(map(repr, dense))}: "
                    "they compare all features with each other. Leave them out, or pass "
                    "X.toarray()."
                )
            methods = [name for name in methods if name not in dense]
        counts = FRACTIONS if self.counts is None else self.counts
        counts = {feature_count(count, available) for count in counts} - {available}
        ordered = [name for name in METHODS if name in methods]
        turns = itertools.product(sorted(counts, reverse=True), ordered)
        return [(ALL, available), *((method, count) for count, method in turns)]


class _Search:
    """The folds, and the rankings of the features in them, each made once."""

    def __init__(self, x, targets, groups, estimator, cv, seed):
        self.x, self.targets, self.groups = x, targets, groups
        self.estimator, self.seed = estimator, seed
        self.folds = _folds(targets, cv, seed)
        self._rankings = {}

    def selector(self, method, count):
        """The unfitted selector of a candidate."""
        selector = METHODS[method](n_features_to_select=count, groups=self.groups)
        if "random_state" in selector.get_params():
            selector.set_params(random_state=self.seed)
        return selector

    def score(self, method, count, fold):
        """The score of a candidate on one fold: the mean over the targets."""
        train, test = self.folds[fold]
        kept = np.ones(self.x.shape[1], bool)
        if method != ALL:
            kept = self._ranking(method, count, fold) <= count
        x = self.x[:, kept]
        scores = []
        for target in self.targets:
            learn, held = _known(target, train), _known(target, test)
            y, y_held = target.values[learn], target.values[held]
            if not len(held) or not (y != y[:1]).any():  # nothing to learn in these rows
                scores.append(0.0)
                continue
            model = estimator_for(target, self.estimator, scipy.sparse.issparse(x), self.seed)
            scores.append(explained(model.fit(x[learn], y), x[held], y_held, target))
        return np.mean(scores)

    def _ranking(self, method, count, fold):
        # Counts come from the largest down, and what is best of many is best of few; but K-means
        # makes other clusters.
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
    """`(training rows, test rows)` of each fold."""
    (first, *others) = targets
    rows = len(first.values)
    folds = min(cv, rows)
    smallest = np.bincount(first.values).min() if first.num_classes else 0
    if not others and first.known is None and smallest >= folds:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(np.zeros(rows), first.values))
    return list(KFold(folds, shuffle=True, random_state=seed).split(np.zeros(rows)))


def _chosen(rows, rule, folds):
    """The number of the row that the rule takes."""
    means = np.array([mean for _, _, mean, _, _ in rows])
    best = int(means.argmax())
    if rule == "best":
        return best
    least = means[best] - rows[best][3] / np.sqrt(folds)
    good = [number for number, mean in enumerate(means) if mean >= least]
    return min(good, key=lambda number: (rows[number][1], -means[number]))
