"""What of a gate's sums is more than chance: labels with experts, and experts with each other."""

import numpy as np
from scipy import stats

ALPHA = 0.01  # The chance that an inspection names anything at all where there is nothing.
MIN_LIFT = 1.2  # What is smaller may be real, but is not worth a name.
MIN_EXAMPLES = 10  # With fewer examples of a label, its tokens prove nothing.


def associate(tally):
    """How labels and experts go together.

    Args:
        tally: A `LabelTally`.

    Returns:
        A dict:

        * `"rate"`: `[L, E]`, the share of a label's tokens that use an expert;
          `"base_rate"`: `[E]`, of all tokens with a label.
        * `"lift"`: `[L, E]`, their ratio.
        * `"share"`: `[L, E]`, a label's distribution over experts: rows sum to 1.
        * `"z"`: `[L, E]`, how many standard deviations above chance the rate is. The deviation is
          one over examples: tokens of one example are not independent of each other.
        * `"p_value"`: `[L, E]`, one-sided, of the t distribution; 1 where a label has fewer than
          `MIN_EXAMPLES` examples.
        * `"mutual_information"`: of a token's label and expert, in bits, and
          `"mutual_information_by_chance"`: what to expect of it were they independent.
        * `"tokens"`, `"examples"`: `[L]`.
    """
    n, a = tally.by_label["n"], tally.by_both["a"]
    rate = a / np.maximum(n, 1)[:, None]
    base_rate = tally.by_expert["a"] / max(tally.n, 1.0)
    lift = rate / np.maximum(base_rate, 1e-20)
    variance = _variance(tally, base_rate)
    deviation = a - n[:, None] * base_rate
    # Where nothing varies, as with uniform weights, rounding is all there is.
    floor = 1e-9 * np.maximum(a, 1e-9)
    z = np.where(variance > floor, deviation / np.sqrt(np.maximum(variance, floor)), 0.0)
    examples = tally.by_label["examples"]
    enough = examples >= MIN_EXAMPLES
    freedom = np.maximum(examples - 1, 1)[:, None]
    p_value = np.where(enough[:, None], stats.t.sf(z, freedom), 1.0)
    found, by_chance = _mutual_information(a, n, base_rate, variance)
    return {
        "rate": rate,
        "base_rate": base_rate,
        "lift": lift,
        "share": a / np.maximum(a.sum(axis=1, keepdims=True), 1e-20),
        "z": z,
        "p_value": p_value,
        "mutual_information": found,
        "mutual_information_by_chance": by_chance,
        "tokens": n.astype("int64"),
        "examples": examples.astype("int64"),
    }


def _variance(tally, r):
    """The variance of `a - n * base_rate` by label and expert, `[L, E]`, from sums over examples.

    Of one example that is the square of

        (a_le - r_e n_l) - s_l (a_e - r_e n)

    s being a label's share of all tokens. The second part is there because the base rate is
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
    """In bits; and by chance: half the chi-square of cells that vary as these were seen to."""
    total = a.sum()
    if total <= 0:
        return np.nan, np.nan
    joint = a / total
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    found = float((joint[there] * np.log2(joint[there] / expected[there])).sum())
    cells = n[:, None] * base_rate
    chi_square = np.divide(variance, cells, out=np.zeros_like(cells), where=cells > 0).sum()
    return max(found, 0.0), float(chi_square / (2 * total * np.log(2)))


def named(found, num_gates):
    """The pairs of label and expert that stand out: indices, the strongest first.

    A pair stands out if its rate is above chance, by a test at `ALPHA` that counts all pairs of all
    gates (Bonferroni), and at least `MIN_LIFT` times the base rate.

    Args:
        found: What `associate` returned.
        num_gates: Gates that are looked at together.

    Returns:
        List of `(label, expert, adjusted p-value)`.
    """
    tests = max(found["p_value"].size * num_gates, 1)
    adjusted = np.minimum(found["p_value"] * tests, 1.0)
    good = (adjusted < ALPHA) & (found["lift"] >= MIN_LIFT)
    # By what a pair adds to the information that the expert gives of the label.
    strength = found["rate"] * np.log(np.maximum(found["lift"], 1e-20))
    pairs = sorted(zip(*np.nonzero(good), strict=True), key=lambda pair: -strength[pair])
    return [(int(label), int(expert), float(adjusted[label, expert])) for label, expert in pairs]


def coactivation(together):
    """How often two experts serve the same token, over how often chance would have it.

    Chance is quasi-independence: `expected[i, j] = c_i c_j` for i != j, with the c for which each
    expert has as many partners in all as it was seen to have. So 1.0 means: no more often than the
    loads of the two make it, whether routers open exactly k experts or any number.

    Args:
        together: `[E, E]`, tokens that have both; the diagonal is ignored.

    Returns:
        `[E, E]`; NaN on the diagonal, and where no pair is expected.
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
        done = np.abs(new - c).max() <= 1e-10 * c.max()
        c = new
        if done:
            break
    expected = np.outer(c, c)
    np.fill_diagonal(expected, 0.0)
    there = expected > 1e-9 * partners.sum()
    ratio[there] = together[there] / expected[there]
    return ratio
