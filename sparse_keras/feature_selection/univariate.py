"""`UnivariateSelector`: t-test, analysis of variance or correlation of single features."""

from typing import Any

import numpy as np

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.relevance import mean_explained_variance, univariate_test

TESTS = ("auto", "t_test", "anova")


class UnivariateSelector(FeatureSelector):
    """Selects the features that differ most between the classes, testing each by itself.

    For two classes, the score is that of Welch's t-test, which allows different variances:

        t = |mean_1 - mean_0| / sqrt(s_1^2 / n_1 + s_0^2 / n_0)

    with Welch-Satterthwaite degrees of freedom. For more classes, it is the F statistic of an
    analysis of variance, the variance between classes divided by the variance within them. For
    numbers, it is the F statistic of the correlation, r^2 (N - 2) / (1 - r^2). For several targets
    (labels or numbers), it is the mean of eta squared, the share of the feature's variance that a
    target explains.

    Features that are informative only in combination are not detected. CSR matrices stay CSR.

    Args:
        n_features_to_select: Number of features to select: an integer or a fraction.
        test: `"t_test"`, `"anova"` (also for two classes), or `"auto"`, which depends on the
            target.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        scores_: `[D]`, |t| or F; for several targets, the mean eta squared. 0 for a constant
            feature, infinite for a feature that is constant within each class.
        pvalues_: `[D]`; for several targets, the smallest times the number of targets (Bonferroni).
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: Number of features, or groups, selected.

    Example:

    >>> from sparse_keras.feature_selection import UnivariateSelector
    >>> x = np.array([[0.0, 5.0, 1.0], [0.1, 3.0, 1.0], [1.0, 4.0, 1.0], [1.1, 4.5, 1.0]])
    >>> selector = UnivariateSelector(n_features_to_select=1).fit(x, ["no", "no", "yes", "yes"])
    >>> selector.get_support()
    array([ True, False, False])

    Reference:
        Welch, 1947, The Generalization of "Student's" Problem when Several Different Population
        Variances are Involved. Fisher, 1925, Statistical Methods for Research Workers.
    """

    _needs_y = True
    _takes_sparse = True

    def __init__(
        self,
        n_features_to_select: float = 0.5,
        test: str = "auto",
        task: str = "auto",
        groups: Any = None,
    ) -> None:
        super().__init__(n_features_to_select, task, groups)
        self.test = test

    def _rank(self, x, targets, count, groups, random_state):
        if self.test not in TESTS:
            raise ValueError(
                f"test must be one of {', '.join(map(repr, TESTS))}. Received: {self.test!r}."
            )
        tests = [univariate_test(x, target, self.test) for target in targets]
        scores, pvalues = zip(*tests, strict=True)
        if len(targets) == 1:
            (self.scores_,), (self.pvalues_,) = scores, pvalues
        else:
            self.scores_ = mean_explained_variance(x, targets)
            self.pvalues_ = np.minimum(len(targets) * np.min(pvalues, axis=0), 1.0)
        return descending(self.scores_)
