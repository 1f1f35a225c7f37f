"""`UnivariateSelector`: features one by one, by t-test, analysis of variance or correlation."""

import numpy as np

from sparse_keras.feature_selection.base import FeatureSelector, descending
from sparse_keras.feature_selection.relevance import mean_explained_variance, univariate_test

TESTS = ("auto", "t_test", "anova")


class UnivariateSelector(FeatureSelector):
    """Keeps the features that differ most between the classes, each looked at alone.

    For two classes Welch's t-test, which allows them different variances:

        t = |mean_1 - mean_0| / sqrt(s_1^2 / n_1 + s_0^2 / n_0)

    with degrees of freedom after Welch and Satterthwaite. For more classes the F of an analysis of
    variance, variance between the classes over variance within them; for numbers the F of the
    correlation, r^2 (N - 2) / (1 - r^2). Several targets (labels, numbers): the mean over
    them of the part of a feature's variance that they explain, eta squared.

    What only helps together with others, it does not see. CSR matrices stay sparse.

    Args:
        n_features_to_select: How many features to keep: an integer or a fraction.
        test: `"t_test"`, `"anova"` (also for two classes), or `"auto"`, by the target.
        task: What y holds: `"classification"`, `"regression"` or `"auto"`.
        groups: `[D]`, features that are selected together, or `None`.

    Attributes:
        scores_: `[D]`: |t| or F; for several targets the mean eta squared. 0 for a constant
            feature, infinite for one that is constant in each class.
        pvalues_: `[D]`; for several targets the smallest, times their number (Bonferroni).
        ranking_: `[D]`, 1 for the most important feature.
        n_features_to_select_: How many features, or groups, are kept.

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

    def __init__(self, n_features_to_select=0.5, test="auto", task="auto", groups=None):
        super().__init__(n_features_to_select, task, groups)
        self.test = test

    def _rank(self, x, targets, count, groups, random_state):
        if self.test not in TESTS:
            raise ValueError(
                f"test must be one of {', '.join(map(repr, TESTS))}. Received: {self.test!r}."
            )
        scores, pvalues = zip(*(univariate_test(x, one, self.test) for one in targets), strict=True)
        if len(targets) == 1:
            (self.scores_,), (self.pvalues_,) = scores, pvalues
        else:
            self.scores_ = mean_explained_variance(x, targets)
            self.pvalues_ = np.minimum(len(targets) * np.min(pvalues, axis=0), 1.0)
        return descending(self.scores_)
