"""From the sums over the routings of a gate to its `GateInspection`."""

import numpy as np

from sparse_keras.inspection import association
from sparse_keras.inspection.result import Finding, GateInspection
from sparse_keras.layers.mixtures.routing_warnings import concentration, routing_problems


def inspect_gate(key, vocabulary, num_gates, recorder, data):
    """Returns the `GateInspection` of a gate.

    Args:
        key: A key of the `Recorder`.
        vocabulary: The `Vocabulary` of the labels.
        num_gates: Number of gates that are tested together.
        recorder: The `Recorder`.
        data: What the examples are called.
    """
    layer, gate = recorder.layers[key[0]], key[1]
    tally, router = recorder.tallies[key], layer.gates[gate]
    num_experts, tokens = tally.num_experts, tally.tokens
    assigned = tally.open.sum()
    used = tally.weight if tally.soft else tally.open
    load = used / used.sum() if assigned else np.full(num_experts, np.nan)
    per_token = assigned / tokens if tokens else np.nan
    dead = np.flatnonzero(tally.open == 0).tolist() if assigned else list(range(num_experts))
    statistics = {
        "load": tally.open / assigned if assigned else load,
        "assigned": assigned,
        "experts_per_token": per_token,
        "dead": len(dead) if assigned else 0,
        "dropped": tally.dropped / assigned if assigned else np.nan,
    }
    name = recorder.name(key)
    problems = routing_problems(
        statistics,
        router,
        gate=name,
        when=f"on these {data}",
        training=False,
        capacity=getattr(layer, "eval_capacity_factor", None),
        capacity_name="eval_capacity_factor",
    )
    together = tally.together.copy()
    np.fill_diagonal(together, 0.0)
    names = layer.expert_names(gate) if hasattr(layer, "expert_names") else range(num_experts)
    count = max(tokens, 1)
    uniform_entropy = np.log(max(num_experts, 2))
    return GateInspection(
        name=name,
        router=router.kind,
        num_experts=num_experts,
        expert_names=[name if isinstance(name, str) else f"expert {name}" for name in names],
        tokens=tokens,
        experts_per_token=per_token,
        soft=tally.soft,
        load=load,
        importance=tally.weight / max(tally.weight.sum(), 1e-20),
        load_violation=float(load.max() * num_experts - 1),
        concentration=concentration(load, 1 if tally.soft else per_token),
        dead=dead,
        dropped=statistics["dropped"],
        entropy=tally.entropy / count / uniform_entropy,
        confidence=tally.top_sum / count,
        confidence_histogram=tally.top / count,
        margin=tally.margin_sum / count,
        coactivation=(
            np.full(together.shape, np.nan) if tally.soft else association.coactivation(together)
        ),
        coactivation_tokens=together,
        problems=problems,
        **_by_label(tally.labelled, vocabulary, num_gates, recorder.notes.get(key)),
    )


def _by_label(tally, vocabulary, num_gates, note):
    if note is not None or not tally.n:
        return {"note": note}
    associations = association.associate(tally)
    # Labels in their own order, not that of their first appearance; without those of padding only.
    codes = np.flatnonzero(associations["tokens"])
    order = sorted(codes.tolist(), key=lambda code: _order(vocabulary.names[code]))
    findings = findings_of(associations, vocabulary.names, num_gates)
    return {
        "labels": [vocabulary.names[code] for code in order],
        "label_tokens": associations["tokens"][order],
        "rate": associations["rate"][order],
        "base_rate": associations["base_rate"],
        "share": associations["share"][order],
        "lift": associations["lift"][order],
        "mutual_information": associations["mutual_information"],
        "mutual_information_by_chance": associations["mutual_information_by_chance"],
        "findings": findings,
    }


def findings_of(associations, names, num_gates):
    """Returns a `Finding` for each significant pair of a label and an expert.

    Args:
        associations: What `associate` returned.
        names: The names of the labels.
        num_gates: Number of gates that are tested together.
    """
    return [
        Finding(
            label=names[code],
            expert=expert,
            share=float(associations["rate"][code, expert]),
            base_share=float(associations["base_rate"][expert]),
            lift=float(associations["lift"][code, expert]),
            tokens=int(associations["tokens"][code]),
            examples=int(associations["examples"][code]),
            p_value=p_value,
        )
        for code, expert, p_value in association.significant_pairs(associations, num_gates)
    ]


def _order(label):
    """Sorts numbers by size, before strings by letter."""
    if isinstance(label, (int, float)):
        return (0, label, "")
    return (1, 0, str(label))
