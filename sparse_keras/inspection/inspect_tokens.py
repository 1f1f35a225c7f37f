"""inspect_tokens: runs a model on rows of tokens, and measures which of them go to which expert.

Differently from other models, the routing of each token is stored. So all tokens of a document
count as one draw where sources of documents are compared, in however many batches it was read.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from sparse_keras.inspection.association import MIN_EXAMPLES, associate
from sparse_keras.inspection.gate_inspection import findings_of, inspect_gate
from sparse_keras.inspection.labels import Vocabulary
from sparse_keras.inspection.recorder import Recorder
from sparse_keras.inspection.result import Inspection
from sparse_keras.inspection.tally import LabelTally, by_expert, normalised
from sparse_keras.inspection.text.characters import shown
from sparse_keras.inspection.text.token_inspection import TokenChoices, TokenInspection
from sparse_keras.inspection.text.token_rows import TokenSample, sample_of, tokenizer_of
from sparse_keras.layers.mixtures.routing_hooks import hooked

MAX_TOKENS = 50_000


def inspect_tokens(
    model: keras.Model,
    layers: Sequence[Any],
    x: Any,
    labels: Any,
    batch_size: int,
    data: str,
    label: str,
    max_tokens: int,
) -> Inspection:
    """Inspects a model that reads texts.

    Args:
        model: The model.
        layers: Its layers with gates.
        x, labels, batch_size, data, label, max_tokens: As for `inspect`.

    Returns:
        An `Inspection` with `tokens`.

    Raises:
        ValueError: As `inspect`; if `x` has no token ids; if `max_tokens` is no positive integer.
    """
    if not isinstance(max_tokens, int) or max_tokens < 1:
        raise ValueError(f"`max_tokens` must be a positive integer. Received: {max_tokens!r}.")
    sample = sample_of(model, x, labels, max_tokens, batch_size)
    recorder, vocabulary = Recorder(model, layers), Vocabulary()
    read = _read(model, sample, recorder, vocabulary)
    rows = len(np.unique(read["row"]))
    keys = recorder.gates()
    if not keys:
        raise ValueError(f"The model {model.name!r} called none of its mixtures of experts.")
    recorder.check_finite(rows)
    gates, choices = [], {}
    for key in keys:
        routing = _joined(recorder.routings[key])
        found = []
        if routing is None:
            recorder.notes[key] = "This layer does not route the tokens of a text one by one."
        else:
            tally = recorder.tallies[key]
            usage = _usage(routing, tally.num_experts, tally.soft)
            routed = routing["routed"]
            tally.labelled.add(usage[routed], read["code"][routed], read["document"][routed])
            found = _token_findings(usage, read, routed, tokenizer_of(model), len(keys))
            choices[recorder.name(key)] = _choices(routing, read["counted"])
        gate = inspect_gate(key, vocabulary, len(keys), recorder, data)
        gates.append(dataclasses.replace(gate, token_findings=found))
    if label == "label" and labels is None:
        label = "source"
    tokens = _tokens(model, sample, read, vocabulary, choices)
    return Inspection(model.name, data, rows, label if sample.labelled else None, gates, tokens)


def _read(model, sample: TokenSample, recorder, vocabulary):
    """Runs the model. Returns arrays `[P]` of all tokens that it read, padding included."""
    parts = []
    with hooked(recorder):
        for rows in sample.batches:
            shape = rows.token_ids.shape
            counted = rows.counted.reshape(-1)
            recorder.start_batch(shape[0], None, 0, counted)
            model(rows.inputs, training=False)
            labels = np.full(shape[0], None) if rows.labels is None else rows.labels
            codes = vocabulary.encode(labels).reshape(shape[0], -1)
            part = {
                "token": rows.token_ids,
                "counted": rows.counted,
                "row": rows.row[:, None],
                "place": np.arange(shape[1])[None],
                "document": rows.document,
                "code": codes,
            }
            parts.append(
                {name: np.broadcast_to(values, shape).ravel() for name, values in part.items()}
            )
    if not parts or not any(part["counted"].any() for part in parts):
        raise ValueError("Expected at least one token. Received none.")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _joined(routings):
    """The routings of all batches as one."""
    if routings is None:
        return None
    return {name: np.concatenate([routing[name] for routing in routings]) for name in routings[0]}


def _usage(routing, num_experts, soft):
    """`[P, E]`: whether a token uses an expert; or, if each uses all, the share of its weight."""
    is_open, weight = by_expert(routing, num_experts)
    return normalised(weight) if soft else is_open


def _token_findings(usage, read, routed, tokenizer, num_gates):
    """Pairs of a token and an expert that are significant. A row is a draw."""
    if not routed.any():
        return []
    ids, codes = np.unique(read["token"][routed], return_inverse=True)
    tally = LabelTally(usage.shape[1])
    tally.add(usage[routed], codes, read["row"][routed])
    associations = associate(tally)
    # Only tokens that are frequent enough are tested, and count in the correction for many tests.
    tested = np.flatnonzero(associations["examples"] >= MIN_EXAMPLES)
    for name in ("rate", "lift", "p_value", "tokens", "examples"):
        associations[name] = associations[name][tested]
    names = [shown(int(ids[code]), tokenizer) for code in tested]
    found = findings_of(associations, names, num_gates)
    return sorted(found, key=lambda one: -one.tokens * (one.share - one.base_share))


def _choices(routing, counted):
    weight = np.where(routing["is_open"], routing["weight"], 0.0)
    expert = np.where(routing["is_open"] & routing["routed"][:, None], routing["expert_index"], -1)
    # Open experts first, by weight.
    order = np.argsort(np.where(expert >= 0, -weight, np.inf), axis=1, kind="stable")
    expert = np.take_along_axis(expert, order, axis=1)[counted].astype("int32")
    weight = np.take_along_axis(weight, order, axis=1)[counted].astype("float32")
    return TokenChoices(expert, np.where(expert >= 0, weight, 0.0).astype("float32"))


def _tokens(model, sample, read, vocabulary, choices):
    counted = read["counted"]
    labels = None
    if sample.labelled:
        names = np.array([*vocabulary.names, None], "O")  # -1 is "no label".
        labels = names[read["code"][counted]]
    return TokenInspection(
        tokenizer=tokenizer_of(model),
        token_ids=read["token"][counted],
        row=read["row"][counted],
        place=read["place"][counted],
        document=read["document"][counted],
        labels=labels,
        choices=choices,
        total=sample.total,
    )
