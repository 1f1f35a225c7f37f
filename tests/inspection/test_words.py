"""Sentences earn their words: at the limits, they change."""

import dataclasses

import numpy as np
import pytest

from sparse_keras.inspection import Finding, GateInspection, Inspection
from sparse_keras.inspection.words import (
    DECIDED,
    HARDLY_USED,
    MODERATE,
    NEARLY_EVEN,
    STRONG,
    UNDECIDED,
    strength,
)
from sparse_keras.layers.mixtures.routing_warnings import ENOUGH


def gate(experts=4, load=None, **values):
    """A gate of an even load that prefers no expert, but for `values`."""
    load = np.full(experts, 1 / experts) if load is None else np.array(load)
    empty = np.full((experts, experts), np.nan)
    defaults = {
        "name": "moe",
        "router": "TopKRouter",
        "num_experts": experts,
        "expert_names": [f"expert {e}" for e in range(experts)],
        "tokens": 1000,
        "experts_per_token": 1.0,
        "soft": False,
        "load": load,
        "importance": load,
        "load_violation": float(load.max() * experts - 1),
        "concentration": float((load.max() - 1 / experts) / (1 - 1 / experts)),
        "dead": np.flatnonzero(load == 0).tolist(),
        "dropped": 0.0,
        "entropy": 0.9,
        "confidence": 0.4,
        "confidence_histogram": np.full(50, 0.02),
        "margin": 0.1,
        "coactivation": empty,
        "coactivation_tokens": np.zeros((experts, experts)),
        "problems": {},
    }
    return GateInspection(**defaults | values)


def of(share, base, label="a", expert=0):
    return Finding(label, expert, share, base, share / base, 100, 100, 1e-6)


def summary(*gates, label=None):
    return Inspection("model", "rows", 1000, label, list(gates)).summary()


def kinds(verdicts):
    return {verdict.text.split(":")[0].split(" (")[0]: verdict.kind for verdict in verdicts}


def text_of(verdicts):
    return " ".join(verdict.text for verdict in verdicts)


@pytest.mark.parametrize(
    ("busiest", "words", "kind"),
    [
        (0.25 * (1 + NEARLY_EVEN), "The load is nearly even", "good"),
        (0.25 * (1 + NEARLY_EVEN) + 0.01, "The load is moderately uneven", "so"),
        (0.25 * 2 + 0.01, "The load is uneven", "so"),
    ],
)
def test_load(busiest, words, kind):
    load = [busiest, *[(1 - busiest) / 3] * 3]
    assert kinds(gate(load=load).verdicts)[words] == kind


def test_too_few_tokens_are_not_judged():
    few = gate(tokens=ENOUGH * 4 - 1, load=[1.0, 0, 0, 0])
    assert "Too few examples to judge the load" in text_of(few.verdicts)
    assert "uses every expert" not in text_of(summary(few))
    (verdict,) = summary(few)
    assert verdict.kind == "so" and "Too few examples" in verdict.text
    enough = gate(tokens=ENOUGH * 4)
    (verdict,) = summary(enough)
    assert verdict.kind == "good" and "The gate uses every expert" in verdict.text
    both = text_of(summary(enough, dataclasses.replace(few, name="other")))
    assert "One gate of 2 uses every expert." in both and "in other" in both


def test_an_expert_that_is_hardly_used():
    share = HARDLY_USED / 4
    for below, words in ((0.001, "Expert 3 of 4 experts is hardly used"), (-0.001, "uses every")):
        rest = (1 - share + below) / 3
        assert words in text_of(summary(gate(load=[rest, rest, rest, share - below])))


@pytest.mark.parametrize(
    ("experts", "values", "words"),
    [
        (16, {"entropy": UNDECIDED + 0.01, "confidence": 0.08}, "hardly prefers any expert"),
        (16, {"confidence": 0.28}, "prefers some experts, weakly: its first choice has 28 %"),
        (16, {"confidence": DECIDED - 0.001}, "weakly"),
        (16, {"confidence": DECIDED}, "clearly prefers one expert for a token"),
        (2, {"confidence": 0.74}, "weakly"),  # A uniform choice already has half.
        (2, {"confidence": 0.75}, "clearly"),
    ],
)
def test_decision(experts, values, words):
    verdicts = [v for v in gate(experts, **values).verdicts if "The router" in v.text]
    (verdict,) = verdicts
    assert words in verdict.text and verdict.kind == "so"


def share_of(h, base):
    """The share that is larger than a base share by Cohen's h."""
    return float(np.sin(np.arcsin(np.sqrt(base)) + h / 2) ** 2)


@pytest.mark.parametrize(
    ("h", "word"),
    [
        (MODERATE - 0.001, "weak"),
        (MODERATE + 0.001, "moderate"),
        (STRONG - 0.001, "moderate"),
        (STRONG + 0.001, "strong"),
    ],
)
@pytest.mark.parametrize("base", [0.05, 0.3])
def test_strength(h, word, base):
    assert strength(of(share_of(h, base), base)) == word


def test_twice_of_hardly_anything_is_weak():
    assert strength(of(0.02, 0.01)) == "weak"
    assert strength(of(1.0, 0.6)) == "strong"  # Though the ratio cannot be larger.


def test_weak_findings_are_no_specialities():
    labelled = {"labels": ["a"], "label_tokens": np.array([100])}
    weak = gate(findings=[of(0.4, 0.3)], **labelled)
    verdict = summary(weak, label="kind")[-1]
    assert verdict.kind == "so" and "significantly, but weakly" in verdict.text
    assert "specialise" not in verdict.text and "a weak association" in verdict.text
    assert weak.verdicts[-1].kind == "so"
    # A weak one of a frequent label does not speak for the strong one.
    both = gate(findings=[of(0.9, 0.75, "b"), of(0.4, 0.05, "a", 1)], **labelled)
    verdict = summary(both, label="kind")[-1]
    assert verdict.kind == "good" and "One expert specialises by kind" in verdict.text
    assert "expert 1 serves 40 % of 'a'" in verdict.text
    assert "a strong association" in verdict.text
    none = gate(**labelled)
    assert "No expert specialises by kind" in text_of(summary(none, label="kind"))
