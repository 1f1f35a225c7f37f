"""Differences in pairs: two models, one seed, the same data.

Losses of trainings have long tails, so that the main test is of their logarithms: a difference of
logarithms is a ratio, and its mean the ratio of geometric means.
"""

import math

import numpy as np
from scipy import integrate, optimize, stats

from sparse_keras.evaluation.statistics import CONFIDENCE, paired_difference


def interval(ours, theirs=None):
    """Mean of differences, or of a sample, and its 95 % interval: `{"mean", "low", "high"}`."""
    theirs = np.zeros(len(ours)) if theirs is None else theirs
    found = paired_difference(list(ours), list(theirs), higher_is_better=False)
    return {name: float(found[name]) for name in ("mean", "low", "high")}


def compare(ours, theirs):
    """Compares positive losses, lower being better, seed by seed.

    Args:
        ours: Losses of one model, one for each seed.
        theirs: The other model's, for the same seeds.

    Returns:
        A dict: `difference` of losses and `ratio` of geometric means, ours over theirs, each with
        `mean`, `low`, `high`; `effect`, the mean difference of logarithms in standard deviations
        of it, with its interval; `t_p`, of a paired t test of the logarithms; `wilcoxon_p`, of a
        signed-rank test of the losses; in how many seeds ours `wins`, of `count`.
    """
    ours, theirs = (np.asarray(one, float) for one in (ours, theirs))
    difference, logs = ours - theirs, np.log(ours) - np.log(theirs)
    of_logs = interval(np.log(ours), np.log(theirs))
    return {
        "difference": interval(ours, theirs),
        "ratio": {name: math.exp(value) for name, value in of_logs.items()},
        "effect": standardised(logs),
        "t_p": float(stats.ttest_1samp(logs, 0.0).pvalue),
        "wilcoxon_p": float(stats.wilcoxon(difference).pvalue),
        "wins": int((difference < 0).sum()),
        "count": len(ours),
    }


def standardised(differences):
    """Cohen's d of paired differences, mean over standard deviation, with its 95 % interval.

    The interval is that of the non-central t distribution.
    """
    count = len(differences)
    effect = float(np.mean(differences) / np.std(differences, ddof=1))
    t = effect * math.sqrt(count)

    def bound(probability):
        def excess(centre):
            return _probability_below(t, count - 1, centre) - probability

        width = 4.0 * math.sqrt(1.0 + t**2 / (2 * (count - 1)))  # four standard errors of t
        return optimize.brentq(excess, t - width, t + width) / math.sqrt(count)

    tail = (1 - CONFIDENCE) / 2
    return {"mean": effect, "low": bound(1 - tail), "high": bound(tail)}


def _probability_below(t, freedom, centre):
    """The non-central t distribution. SciPy's is NaN at small probabilities.

    t is a normal variable of mean `centre` over s, the root of a mean of `freedom` squares.
    """

    def density(s):
        root = math.sqrt(freedom)
        return stats.norm.cdf(t * s - centre) * stats.chi.pdf(s * root, freedom) * root

    upper = float(stats.chi.isf(1e-10, freedom)) / math.sqrt(freedom)
    return integrate.quad(density, 0.0, upper, epsabs=1e-9, limit=200)[0]


def holm(p_values):
    """p-values of several tests, corrected for their number by Holm's method."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected.tolist()
