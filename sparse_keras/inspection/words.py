"""What an inspection found, in sentences."""

from dataclasses import dataclass

import numpy as np

from sparse_keras.layers.mixtures.routing_warnings import percent

UNEVEN = 0.3  # Concentration from which a load is called uneven;
MOST_OF_ONE = 1.0  # and load violation: one expert with twice its even share.
UNDECIDED = 0.97  # Entropy above which a router hardly decides anything,
DECIDED = 0.9  # and below which it is good at it.

# Two experts are said to work together if the tokens that they share are
PAIR_RATIO = 1.5  # this many times what chance has,
PAIR_DEVIATIONS = 6  # this many deviations of a count above it, since there are many pairs,
PAIR_TOKENS = 50  # and this many at least: a pair that ten tokens make says nothing.


@dataclass(frozen=True)
class Verdict:
    """A sentence, and whether it tells something `"good"`, something `"bad"`, or just `"so"`."""

    kind: str
    text: str


def verdicts(gate):
    """What to think of a gate."""
    if not gate.tokens:
        return [Verdict("bad", "No token came here.")]
    told = [Verdict("bad", sentence) for sentence in gate.problems.values()]
    told += [one for one in (_load(gate), _decision(gate), _pairs(gate)) if one is not None]
    return told + _labels(gate)


def summary(inspection):
    """What to think of a model: first what is wrong, gate by gate, then what is not."""
    gates = inspection.gates
    told = [Verdict("bad", sentence) for gate in gates for sentence in gate.problems.values()]
    well = [gate for gate in gates if not gate.problems]
    if len(well) == len(gates):
        subject = "The gate uses" if len(gates) == 1 else f"All {len(gates)} gates use"
        told.append(Verdict("good", f"{subject} every expert: none is dead, nothing collapsed."))
    elif well:
        verb = "uses" if len(well) == 1 else "use"
        told.append(Verdict("good", f"{_gates(len(well))} of {len(gates)} {verb} every expert."))
    uneven = [gate for gate in well if _is_uneven(gate)]
    if uneven:
        worst = max(uneven, key=lambda gate: gate.concentration)
        told.append(Verdict("so", f"{_load(worst).text[:-1]}, in {worst.name}."))
    undecided = [gate.name for gate in gates if _is_undecided(gate)]
    if undecided:
        verb = "decides" if len(undecided) == 1 else "decide"
        text = f"{_gates(len(undecided))} hardly {verb}, with nearly uniform scores: "
        told.append(Verdict("so", f"{text}{_listing(undecided)}."))
    return told + _labels_of_all(inspection)


def _listing(names, most=3):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _gates(count):
    return "One gate" if count == 1 else f"{count} gates"


def _is_uneven(gate):
    return gate.concentration > UNEVEN or gate.load_violation > MOST_OF_ONE


def _is_undecided(gate):
    return not gate.soft and gate.num_experts > 1 and gate.entropy > UNDECIDED


def _load(gate):
    if gate.problems or gate.num_experts == 1 or not np.isfinite(gate.load).all():
        return None
    busiest = int(np.argmax(gate.load))
    what = "of the weight" if gate.soft else "of the assignments"
    shares = (
        f"the busiest, {gate.expert_names[busiest]}, has {percent(gate.load[busiest])} {what}, "
        f"where {100 / gate.num_experts:.3g} % were even"
    )
    if _is_uneven(gate):
        return Verdict("so", f"The load is uneven: {shares}.")
    return Verdict("good", f"The load is fairly even: {shares}.")


def _decision(gate):
    if gate.soft or gate.num_experts == 1:
        return None
    if _is_undecided(gate):
        return Verdict(
            "so",
            f"The router hardly decides: the entropy of its scores is {percent(gate.entropy)} of "
            "that of a uniform choice.",
        )
    return Verdict(
        "good" if gate.entropy < DECIDED else "so",
        f"The router decides: its first choice has {percent(gate.confidence)} of the scores on "
        f"average, its second {percent(gate.confidence - gate.margin)}.",
    )


def _pairs(gate):
    """The two experts that go together most, if they do clearly."""
    found = np.where(np.isfinite(gate.coactivation), gate.coactivation, 0.0)
    if not found.any():
        return None
    first, second = map(int, np.unravel_index(np.argmax(np.triu(found)), found.shape))
    ratio, tokens = found[first, second], gate.coactivation_tokens[first, second]
    expected = tokens / ratio if ratio else 0.0
    deviations = (tokens - expected) / np.sqrt(max(expected, 1.0))
    if ratio < PAIR_RATIO or deviations < PAIR_DEVIATIONS or tokens < PAIR_TOKENS:
        return None
    pair = f"{gate.expert_names[first]} and {gate.expert_names[second]}"
    share = percent(tokens / gate.tokens)
    text = (
        f"{pair} serve the same token {ratio:.1f} times as often as chance has it ({share} of all)"
    )
    return Verdict("so", _sentence(text))


def _labels(gate):
    if gate.note is not None:
        return [Verdict("so", gate.note)]
    if not gate.labels:
        return []
    if not gate.findings:
        return [Verdict("so", "No label goes to an expert more often than chance has it.")]
    shown = gate.findings if len(gate.findings) <= 3 else gate.findings[:1]
    told = [Verdict("good", _sentence(finding_in_words(gate, one))) for one in shown]
    if len(gate.findings) > len(shown):
        count = len(gate.findings)
        told.append(Verdict("good", f"{count} pairs of a label and an expert stand out in all."))
    return told


def number(value, form):
    """A number in a table; a dash where there is none."""
    return "-" if not np.isfinite(value) else format(value, form)


def share(value):
    """A share in a table; a dash where there is none."""
    return "-" if not np.isfinite(value) else percent(value)


def _sentence(text):
    return f"{text[0].upper()}{text[1:]}."


def finding_in_words(gate, finding):
    """A finding as half a sentence."""
    name = gate.expert_names[finding.expert]
    if gate.soft:
        text = f"{name} has {percent(finding.share)} of the weight for {finding.label!r}"
    else:
        text = f"{name} serves {percent(finding.share)} of {finding.label!r}"
    return f"{text}, and {percent(finding.base_share)} of everything ({finding.lift:.1f} times)"


def _labels_of_all(inspection):
    if inspection.label is None:
        return []
    notes = [gate.note for gate in inspection.gates if gate.note is not None]
    if len(notes) == len(inspection.gates):
        return [Verdict("so", notes[0])]
    found = inspection.findings
    what = inspection.label
    if not found:
        text = f"No expert specialises by {what}: no pair of the two stands out from chance."
        return [Verdict("so", text)]
    by_name = {gate.name: gate for gate in inspection.gates}
    name, strongest = max(found, key=lambda pair: pair[1].share * np.log(pair[1].lift))
    special = len({(name, finding.expert) for name, finding in found})
    subject = "One expert specialises" if special == 1 else f"{special} experts specialise"
    where = f" in {name}" if len(by_name) > 1 else ""
    clearest = finding_in_words(by_name[name], strongest)
    return [Verdict("good", f"{subject} by {what}. Most clearly{where}: {clearest}.")]
