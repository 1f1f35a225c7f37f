"""Associations beyond chance: of labels with experts, and of experts with each other."""

from typing import Any

import numpy as np
from scipy import stats

from sparse_keras.inspection.tally import LabelTally

ALPHA = 0.01  # Probability of reporting any pair at all if labels and experts are independent.
MIN_LIFT = 1.2  # A smaller effect may be real, but is too small to report.
MIN_EXAMPLES = 10  # A label with fewer examples is not tested.


def associate(tally: LabelTally) -> dict[str, Any]:
    """Measures how labels and experts are associated.

    Args:
        tally: A `LabelTally`.

    Returns:
        A dict:

        * `"rate"`: `[L, E]`, the share of a label's tokens that use an expert.
        * `"base_rate"`: `[E]`, the share of all labelled tokens that use an expert.
        * `"lift"`: `[L, E]`, `rate / base_rate`.
        * `"share"`: `[L, E]`, a label's distribution over experts; rows sum to 1.
        * `"z"`: `[L, E]`, how many standard deviations the rate is above the base rate. The
          deviation is estimated over examples, because tokens of one example are not independent.
        * `"p_value"`: `[L, E]`, one-sided, from the t distribution; 1 where a label has fewer than
          `MIN_EXAMPLES` examples.
        * `"mutual_information"`: of a token's label and expert, in bits.
        * `"mutual_information_by_chance"`: its expected value if they were independent.
        * `"tokens"`, `"examples"`: `[L]`, the numbers of each label's tokens and examples.
    """
    n, a = tally.by_label["n"], tally.by_both["a"]
    rate = a / np.maximum(n, 1)[:, None]
    base_rate = tally.by_expert["a"] / max(tally.n, 1.0)
    lift = rate / np.maximum(base_rate, 1e-20)
    variance = _variance(tally, base_rate)
    deviation = a - n[:, None] * base_rate
    # Where nothing varies, as with uniform weights, the variance is rounding error alone.
    floor = 1e-9 * np.maximum(a, 1e-9)
    z = np.where(variance > floor, deviation / np.sqrt(np.maximum(variance, floor)), 0.0)
    examples = tally.by_label["examples"]
    enough = examples >= MIN_EXAMPLES
    freedom = np.maximum(examples - 1, 1)[:, None]
    p_value = np.where(enough[:, None], stats.t.sf(z, freedom), 1.0)
    information, by_chance = _mutual_information(a, n, base_rate, variance)
    return {
        "rate": rate,
        "base_rate": base_rate,
        "lift": lift,
        "share": a / np.maximum(a.sum(axis=1, keepdims=True), 1e-20),
        "z": z,
        "p_value": p_value,
        "mutual_information": information,
        "mutual_information_by_chance": by_chance,
        "tokens": n.astype("int64"),
        "examples": examples.astype("int64"),
    }


def _variance(tally, r):
    """The variance of `a - n * base_rate` by label and expert, `[L, E]`, from sums over examples.

    Each example contributes the square of

        (a_le - r_e n_l) - s_l (a_e - r_e n)

    where s is the label's share of all tokens. The second term corrects for the base rate, which is
    estimated from the same tokens.
    """
    both, label, expert = tally.by_both, tally.by_label, tally.by_expert
    s = (label["n"] / max(tally.n, 1.0))[:, None]
    nn, n_all = label["nn"][:, None], label["n_all"][:, None]
    own = both["aa"] - 2 * r * both["an"] + r**2 * nn
    mixed = both["a_all"] - r * both["a_n"] - r * both["n_a"] + r**2 * n_all
    everyone = expert["aa"] - 2 * r * expert["an"] + r**2 * tally.nn
    return np.maximum(own - 2 * s * mixed + s**2 * everyone, 0.0)


def _mutual_information(a, n, base_rate, variance):
    """Mutual information in bits, and its expectation by chance.

    The expectation is half the chi-square statistic (in bits) of cells with the measured variance.
    """
    total = a.sum()
    if total <= 0:
        return np.nan, np.nan
    joint = a / total
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    positive = joint > 0
    information = float((joint[positive] * np.log2(joint[positive] / expected[positive])).sum())
    cells = n[:, None] * base_rate
    chi_square = np.divide(variance, cells, out=np.zeros_like(cells), where=cells > 0).sum()
    return max(information, 0.0), float(chi_square / (2 * total * np.log(2)))


def significant_pairs(associations: dict[str, Any], num_gates: int) -> list[tuple[int, int, float]]:
    """Selects the pairs of a label and an expert that are significantly associated.

    A pair is significant if its rate is above the base rate by a test at level `ALPHA` with a
    Bonferroni correction for all pairs of all gates, and at least `MIN_LIFT` times the base rate.

    Args:
        associations: What `associate` returned.
        num_gates: Number of gates that are tested together.

    Returns:
        List of `(label, expert, adjusted p-value)`, the strongest association first.
    """
    tests = max(associations["p_value"].size * num_gates, 1)
    adjusted = np.minimum(associations["p_value"] * tests, 1.0)
    significant = (adjusted < ALPHA) & (associations["lift"] >= MIN_LIFT)
    # What the pair contributes to the mutual information of label and expert.
    strength = associations["rate"] * np.log(np.maximum(associations["lift"], 1e-20))
    pairs = sorted(zip(*np.nonzero(significant), strict=True), key=lambda pair: -strength[pair])
    return [(int(label), int(expert), float(adjusted[label, expert])) for label, expert in pairs]


def coactivation(together: np.ndarray) -> np.ndarray:
    """Computes how often two experts are chosen together, relative to chance given their loads.

    The expectation is quasi-independence: `expected[i, j] = c_i c_j` for i != j, with c such that
    each expert has as many partners in total as was counted. A ratio of 1.0 therefore means that
    two experts are chosen together as often as their loads imply, for routers that open exactly k
    experts as well as for those that open any number.

    Args:
        together: `[E, E]`, number of tokens that use both experts; the diagonal is ignored.

    Returns:
        `[E, E]`; NaN on the diagonal, and where the expected number is 0.
    """
    together = np.array(together, "float64")
    np.fill_diagonal(together, 0.0)
    partners = together.sum(axis=1)
    ratio = np.full(together.shape, np.nan)
    if partners.sum() <= 0:
        return ratio
    c = partners / np.sqrt(partners.sum())
    for _ in range(1000):
        others = np.maximum(c.sum() - c, 1e-300)
        new = np.where(partners > 0, np.sqrt(c * partners / others), 0.0)
        converged = np.abs(new - c).max() <= 1e-10 * c.max()
        c = new
        if converged:
            break
    expected = np.outer(c, c)
    np.fill_diagonal(expected, 0.0)
    defined = expected > 1e-9 * partners.sum()
    ratio[defined] = together[defined] / expected[defined]
    return ratio
