"""What is more than chance: against brute force, and on chance itself."""

import numpy as np
import pytest

from sparse_keras.inspection.association import associate, coactivation, significant_pairs
from sparse_keras.inspection.tally import LabelTally


def draw(seed, examples=60, tokens=5, num_experts=4, num_labels=3, per_example=False):
    """Usage `[N, E]` of top-2 choices that know nothing of labels, labels `[N]`, examples `[N]`."""
    rng = np.random.default_rng(seed)
    # Tokens of an example are alike, as those of a sentence are.
    liking = 2 * rng.normal(size=(examples, 1, num_experts))
    scores = liking + rng.normal(size=(examples, tokens, num_experts))
    usage = (scores >= np.sort(scores, axis=-1)[..., -2:-1]).astype("float64")
    if per_example:
        labels = np.repeat(rng.integers(0, num_labels, examples), tokens)
    else:
        labels = rng.integers(0, num_labels, examples * tokens)
    unit = np.repeat(np.arange(examples), tokens)
    return usage.reshape(-1, num_experts), labels, unit


def tally_of(usage, labels, unit, parts=4):
    """In parts of whole examples, as batches come."""
    tally = LabelTally(usage.shape[1])
    for examples in np.array_split(np.unique(unit), parts):
        here = np.isin(unit, examples)
        tally.add(usage[here], labels[here], unit[here])
    return tally


@pytest.mark.parametrize("per_example", [False, True])
def test_against_brute_force(per_example):
    usage, labels, unit = draw(0, per_example=per_example)
    labels[::7] = -1  # No label.
    found = associate(tally_of(usage, labels, unit))
    kept = labels >= 0
    usage, labels, unit = usage[kept], labels[kept], unit[kept]
    base = usage.mean(axis=0)
    np.testing.assert_allclose(found["base_rate"], base)
    joint = np.zeros((3, 4))
    for one in range(3):
        here = labels == one
        rate = usage[here].mean(axis=0)
        np.testing.assert_allclose(found["rate"][one], rate)
        np.testing.assert_allclose(found["lift"][one], rate / base)
        np.testing.assert_allclose(found["share"][one], rate / rate.sum())
        assert found["tokens"][one] == here.sum()
        assert found["examples"][one] == len(np.unique(unit[here]))
        joint[one] = usage[here].sum(axis=0)
        for e in range(4):
            deviations = []
            for example in np.unique(unit):
                its = unit == example
                own = (usage[its & here, e] - base[e]).sum()
                everyone = (usage[its, e] - base[e]).sum()
                deviations.append(own - here.mean() * everyone)
            deviations = np.array(deviations)
            z = deviations.sum() / np.sqrt((deviations**2).sum())
            np.testing.assert_allclose(found["z"][one, e], z, rtol=1e-6)
    joint /= joint.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    information = (joint * np.log2(joint / independent)).sum()
    assert found["mutual_information"] == pytest.approx(information)


@pytest.mark.parametrize("per_example", [False, True])
def test_chance_is_not_significant_pairs(per_example):
    """A test at 1 % over all pairs: among 200 draws, two are expected to name something."""
    wrong, information, by_chance = 0, [], []
    for seed in range(200):
        found = associate(tally_of(*draw(seed, per_example=per_example), parts=1))
        wrong += bool(significant_pairs(found, num_gates=1))
        information.append(found["mutual_information"])
        by_chance.append(found["mutual_information_by_chance"])
    assert wrong <= 8  # More than that has a probability of 0.02 %.
    assert np.mean(information) == pytest.approx(np.mean(by_chance), rel=0.25)


def test_tokens_of_an_example_are_not_independent():
    """A test that took them for it would find what is not there."""
    seeds = range(100)
    found = [
        associate(tally_of(*draw(seed, tokens=40, per_example=True), parts=1)) for seed in seeds
    ]
    assert sum(bool(significant_pairs(one, num_gates=1)) for one in found) <= 5
    # By the binomial variance of tokens, with which each would be a draw of its own:
    naive = [
        (one["rate"] - one["base_rate"])
        / np.sqrt(one["base_rate"] * (1 - one["base_rate"]) / one["tokens"][:, None])
        for one in found
    ]
    assert sum((z > 3.5).any() for z in naive) > 50


def test_a_planted_pair_is_named_first():
    usage, labels, unit = draw(0, num_labels=4)
    planted = labels == 2
    usage[planted] = [0, 1, 0, 1]
    found = associate(tally_of(usage, labels, unit))
    pairs = significant_pairs(found, num_gates=1)
    assert {pair[:2] for pair in pairs[:2]} == {(2, 1), (2, 3)}
    assert all(p_value < 1e-3 for *_, p_value in pairs[:2])
    # The others have more of the experts that this label leaves alone. That is no chance either.
    assert all(label != 2 and expert in (0, 2) for label, expert, _ in pairs[2:])


def test_few_examples_prove_nothing():
    labels = np.repeat([0, 1], [9, 91])
    found = associate(tally_of(np.eye(2)[labels], labels, np.arange(100)))
    assert found["p_value"][0, 0] == 1.0
    assert significant_pairs(found, 1) == []  # The other label is nearly everything.
    labels = np.repeat([0, 1], [16, 84])
    found = associate(tally_of(np.eye(2)[labels], labels, np.arange(100)))
    assert [pair[:2] for pair in significant_pairs(found, 1)] == [(0, 0)]


def test_uniform_weights_say_nothing():
    usage = np.full((500, 3), 1 / 3)
    labels = np.random.default_rng(0).integers(0, 4, 500)
    found = associate(tally_of(usage, labels, np.arange(500)))
    np.testing.assert_array_equal(found["z"], 0.0)
    assert found["mutual_information"] == pytest.approx(0.0, abs=1e-12)
    assert significant_pairs(found, 1) == []


def test_pairs_by_chance_are_1():
    rng = np.random.default_rng(0)
    # Exactly two of six, with very different loads: chosen one after the other, by fixed odds.
    odds = np.array([8.0, 5, 3, 2, 1, 1])
    noise = -np.log(rng.exponential(size=(400_000, 6)) / odds)
    opened = (noise >= np.sort(noise, axis=1)[:, -2:-1]).astype("float64")
    ratio = coactivation(opened.T @ opened)
    off = ~np.eye(6, dtype=bool)
    # (Odds without replacement are not quite quasi-independent.)
    np.testing.assert_allclose(ratio[off], 1.0, atol=0.12)
    assert np.isnan(np.diag(ratio)).all()
    # Any number, each by itself: there it is exact.
    opened = (rng.random((400_000, 6)) < odds / 10).astype("float64")
    np.testing.assert_allclose(coactivation(opened.T @ opened)[off], 1.0, atol=0.05)


def test_pairs_that_go_together():
    together = np.array([[0, 90, 5, 5], [90, 0, 5, 5], [5, 5, 0, 90], [5, 5, 90, 0.0]])
    ratio = coactivation(together)
    # All have 100 partners: 100 / 3 with each of the others were chance.
    assert ratio[0, 1] == pytest.approx(2.7) and ratio[0, 2] == pytest.approx(0.15)
    np.testing.assert_array_equal(ratio, ratio.T)
    assert np.isnan(coactivation(np.zeros((3, 3)))).all()


def test_an_expert_that_all_pairs_have():
    together = np.zeros((4, 4))
    together[0, 1:] = together[1:, 0] = [50, 30, 20]
    ratio = coactivation(together)
    np.testing.assert_allclose(ratio[0, 1:], 1.0, rtol=1e-2)
