"""An inspection in sentences, each of which says no more than was measured.

A sentence is marked as good only if it says that nothing is wrong, or that an association is at
least moderate. What is too little to be judged is not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sparse_keras.layers.mixtures.routing_warnings import ENOUGH, percent

if TYPE_CHECKING:
    from sparse_keras.inspection.result import Finding, GateInspection, Inspection

# A load is called uneven if
UNEVEN = 0.3  # its concentration is above this,
MOST_OF_ONE = 1.0  # or its load violation is: one expert has twice its even share;
NEARLY_EVEN = 0.25  # and nearly even up to this violation.
HARDLY_USED = 0.1  # Below this part of an even share, an expert is hardly used.

# A router hardly prefers any expert if
UNDECIDED = 0.97  # the entropy of its scores is above this share of that of a uniform choice;
# it clearly prefers one if the first choice has, of a token's scores on average,
DECIDED = 0.5  # at least this share, and
DECIDED_RATIO = 1.5  # at least so many times that of a uniform choice.

# How much larger an expert's share of a label is than of all tokens, by Cohen's h, the difference
# of the arcsines of the square roots of two shares (Cohen, 1988, Statistical Power Analysis for the
# Behavioral Sciences, chapter 6): 0.2 is small, 0.5 medium, 0.8 large.
MODERATE = 0.5
STRONG = 0.8

# Two experts are reported as chosen together if the number of tokens that use both is
PAIR_RATIO = 1.5  # this many times the number expected by chance,
PAIR_DEVIATIONS = 6  # this many standard deviations above it, because there are many pairs,
PAIR_TOKENS = 50  # and at least this.


@dataclass(frozen=True)
class Verdict:
    """A sentence about a gate or a model.

    Attributes:
        kind: `"good"`, `"bad"`, or `"so"` for a neutral one.
        text: The sentence.
    """

    kind: Literal["good", "bad", "so"]
    text: str


def verdicts(gate: GateInspection) -> list[Verdict]:
    """Describes a gate: problems first, then load, decisions, pairs and labels."""
    if not gate.tokens:
        return [Verdict("bad", "No token reached this gate.")]
    problems = [Verdict("bad", sentence) for sentence in gate.problems.values()]
    measured = [_load(gate), _decision(gate), _pairs(gate)]
    return [*problems, *filter(None, measured), *_labels(gate)]


def summary(inspection: Inspection) -> list[Verdict]:
    """Describes a model: first what is wrong, gate by gate, then what is not."""
    gates = inspection.gates
    sentences = [Verdict("bad", sentence) for gate in gates for sentence in gate.problems.values()]
    judged = [gate for gate in gates if _is_enough(gate)]
    healthy = [gate for gate in judged if not gate.problems and not _hardly_used(gate)]
    if healthy and len(healthy) == len(gates):
        subject = "The gate uses" if len(gates) == 1 else f"All {len(gates)} gates use"
        sentences.append(
            Verdict("good", f"{subject} every expert: none is dead, nothing collapsed.")
        )
    elif healthy:
        verb = "uses" if len(healthy) == 1 else "use"
        text = f"{_gates(len(healthy))} of {len(gates)} {verb} every expert."
        sentences.append(Verdict("good", text))
    for gate in judged:
        if not gate.problems and (hardly := _hardly_used(gate)):
            where = "" if len(gates) == 1 else f", in {gate.name}"
            verb = "is" if len(hardly) == 1 else "are"
            each = "it has" if len(hardly) == 1 else "each has"
            names = _listing([gate.expert_names[expert] for expert in hardly])
            text = (
                f"{names} of {gate.num_experts} experts {verb} hardly used{where}: {each} less "
                f"than {percent(HARDLY_USED)} of an even share."
            )
            sentences.append(Verdict("so", f"{text[0].upper()}{text[1:]}"))
    few = [gate for gate in gates if not gate.problems and gate not in judged]
    if few:
        where = "" if len(gates) == 1 else f" in {_listing([gate.name for gate in few])}"
        sentences.append(Verdict("so", f"{_too_few(few[0])[:-1]}{where}."))
    uneven = [gate for gate in healthy if _is_uneven(gate)]
    if uneven:
        worst = max(uneven, key=lambda gate: gate.concentration)
        sentences.append(Verdict("so", f"{_load(worst).text[:-1]}, in {worst.name}."))
    undecided = [gate.name for gate in gates if _is_undecided(gate)]
    if undecided:
        verb = "prefers" if len(undecided) == 1 else "prefer"
        text = f"{_gates(len(undecided))} hardly {verb} any expert, with nearly uniform scores: "
        text += f"{_listing(undecided)}."
        sentences.append(Verdict("so", text))
    return sentences + _labels_of_all(inspection) + _tokens_of_all(inspection)


def _listing(names, most=3):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _gates(count):
    return "One gate" if count == 1 else f"{count} gates"


def _is_enough(gate):
    """Whether there are enough assignments to judge a load by, and dead experts."""
    return gate.soft or gate.tokens * gate.experts_per_token >= ENOUGH * gate.num_experts


def _hardly_used(gate):
    """Numbers of the experts with hardly any load."""
    return np.flatnonzero(gate.load < HARDLY_USED / gate.num_experts).tolist()


def _too_few(gate):
    return (
        f"Too few examples to judge the load: fewer than {ENOUGH} assignments for each of "
        f"{gate.num_experts} experts."
    )


def _is_uneven(gate):
    return gate.concentration > UNEVEN or gate.load_violation > MOST_OF_ONE


def _is_undecided(gate):
    return not gate.soft and gate.num_experts > 1 and gate.entropy > UNDECIDED


def _load(gate):
    if gate.problems or gate.num_experts == 1 or not np.isfinite(gate.load).all():
        return None
    if not _is_enough(gate):
        return Verdict("so", _too_few(gate))
    busiest = int(np.argmax(gate.load))
    what = "of the weight" if gate.soft else "of the assignments"
    shares = (
        f"the busiest expert, {gate.expert_names[busiest]}, has {percent(gate.load[busiest])} "
        f"{what}, where an even share is {100 / gate.num_experts:.3g} %"
    )
    if _is_uneven(gate):
        return Verdict("so", f"The load is uneven: {shares}.")
    if gate.load_violation > NEARLY_EVEN:
        ratio = f"{1 + gate.load_violation:.1f} times its share"
        return Verdict("so", f"The load is moderately uneven ({ratio}): {shares}.")
    return Verdict("good", f"The load is nearly even: {shares}.")


def _decision(gate):
    if gate.soft or gate.num_experts == 1:
        return None
    if _is_undecided(gate):
        return Verdict(
            "so",
            f"The router hardly prefers any expert: the entropy of its scores is "
            f"{percent(gate.entropy)} of that of a uniform choice.",
        )
    clearly = gate.confidence >= max(DECIDED, DECIDED_RATIO / gate.num_experts)
    how = "clearly prefers one expert for a token" if clearly else "prefers some experts, weakly"
    return Verdict(
        "so",
        f"The router {how}: its first choice has {percent(gate.confidence)} of a token's scores on "
        f"average, its second {percent(gate.confidence - gate.margin)}, where a uniform choice "
        f"gives each expert {percent(1 / gate.num_experts)}.",
    )


def _pairs(gate):
    """The two experts chosen together most often, if that is clearly more than chance."""
    ratios = np.where(np.isfinite(gate.coactivation), gate.coactivation, 0.0)
    if not ratios.any():
        return None
    first, second = map(int, np.unravel_index(np.argmax(np.triu(ratios)), ratios.shape))
    ratio, tokens = ratios[first, second], gate.coactivation_tokens[first, second]
    expected = tokens / ratio if ratio else 0.0
    deviations = (tokens - expected) / np.sqrt(max(expected, 1.0))
    if ratio < PAIR_RATIO or deviations < PAIR_DEVIATIONS or tokens < PAIR_TOKENS:
        return None
    pair = f"{gate.expert_names[first]} and {gate.expert_names[second]}"
    share = percent(tokens / gate.tokens)
    text = (
        f"{pair} are chosen together {ratio:.1f} times as often as expected by chance, for {share} "
        "of the tokens"
    )
    return Verdict("so", _sentence(text))


def _labels(gate):
    if gate.note is not None:
        return [Verdict("so", gate.note)]
    if not gate.labels:
        return []
    if not gate.findings:
        return [Verdict("so", "No label is significantly associated with an expert.")]
    listed = gate.findings if len(gate.findings) <= 3 else gate.findings[:1]
    sentences = [
        Verdict(
            "so" if strength(finding) == "weak" else "good",
            _sentence(finding_in_words(gate, finding)),
        )
        for finding in listed
    ]
    if len(gate.findings) > len(listed):
        weak = sum(strength(finding) == "weak" for finding in gate.findings)
        text = f"{len(gate.findings)} pairs of a label and an expert are significant in total"
        sentences.append(Verdict("so", f"{text}{f', of which {weak} are weak' if weak else ''}."))
    return sentences


def strength(finding: Finding) -> Literal["weak", "moderate", "strong"]:
    """How much larger an expert's share of a label is than of all tokens, in a word."""
    high, low = (np.arcsin(np.sqrt(min(x, 1.0))) for x in (finding.share, finding.base_share))
    h = 2 * (high - low)
    return "strong" if h >= STRONG else "moderate" if h >= MODERATE else "weak"


def number(value: float, form: str) -> str:
    """Formats a number for a table; a dash for NaN."""
    return "-" if not np.isfinite(value) else format(value, form)


def share(value: float) -> str:
    """Formats a share for a table, in percent; a dash for NaN."""
    return "-" if not np.isfinite(value) else percent(value)


def _sentence(text):
    return f"{text[0].upper()}{text[1:]}."


def finding_in_words(gate: GateInspection, finding: Finding) -> str:
    """Describes a finding, without a capital letter and full stop."""
    name = gate.expert_names[finding.expert]
    if gate.soft:
        text = f"{name} has {percent(finding.share)} of the weight for {finding.label!r}, and "
        text += f"{percent(finding.base_share)} for all tokens"
    else:
        text = f"{name} serves {percent(finding.share)} of {finding.label!r}, and "
        text += f"{percent(finding.base_share)} of all tokens"
    return f"{text} ({finding.lift:.1f} times, a {strength(finding)} association)"


def _information(finding):
    """What a pair contributes to the mutual information, the order of findings; strong ones first,
    so that the example of a specialisation is one."""
    order = ("weak", "moderate", "strong")
    return order.index(strength(finding)), finding.share * np.log(finding.lift)


def _labels_of_all(inspection):
    if inspection.label is None:
        return []
    notes = [gate.note for gate in inspection.gates if gate.note is not None]
    if len(notes) == len(inspection.gates):
        return [Verdict("so", notes[0])]
    label = inspection.label
    if not inspection.findings:
        text = f"No expert specialises by {label}: no pair of the two is significant."
        return [Verdict("so", text)]
    by_name = {gate.name: gate for gate in inspection.gates}
    name, strongest = max(inspection.findings, key=lambda pair: _information(pair[1]))
    where = f" in {name}" if len(by_name) > 1 else ""
    clearest = finding_in_words(by_name[name], strongest)
    clear = [pair for pair in inspection.findings if strength(pair[1]) != "weak"]
    if not clear:
        text = (
            f"The choice of experts depends on {label} significantly, but weakly. Most{where}: "
            f"{clearest}."
        )
        return [Verdict("so", text)]
    count = len({(name, finding.expert) for name, finding in clear})
    subject = "One expert specialises" if count == 1 else f"{count} experts specialise"
    return [Verdict("good", f"{subject} by {label}. Most clearly{where}: {clearest}.")]


def _tokens_of_all(inspection):
    """Which tokens of texts were read, and the pair of a token and an expert that stands out."""
    tokens = inspection.tokens
    if tokens is None:
        return []
    where = f"in {inspection.examples:,} row{'' if inspection.examples == 1 else 's'}"
    if tokens.total is None:
        text = f"{len(tokens):,} tokens were read, {where}."
    elif tokens.total == len(tokens):
        text = f"All {tokens.total:,} tokens were read, {where}."
    else:
        text = f"{len(tokens):,} of {tokens.total:,} tokens were read, {where} spread evenly."
    pairs = [(gate, one) for gate in inspection.gates for one in gate.token_findings]
    if pairs:
        gate, most = max(pairs, key=lambda pair: _information(pair[1]))
        place = f" in {gate.name}" if len(inspection.gates) > 1 else ""
        text += (
            f" {len(pairs):,} pairs of a token and an expert are significant. Most clearly{place}: "
            f"{finding_in_words(gate, most)}."
        )
    return [Verdict("so", text)]
