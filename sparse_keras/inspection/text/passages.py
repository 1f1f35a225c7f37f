"""Passages of text on a page, each token on the colour of its expert, one gate at a time.

Gates are chosen with radio buttons, of which style sheets alone show the text: pages have no
scripts. Numbers of experts can be shown in the text, for those who cannot tell colours.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.pages.html import breakable, text
from sparse_keras.inspection.text.characters import characters
from sparse_keras.layers.mixtures.routing_warnings import percent

if TYPE_CHECKING:
    from sparse_keras.inspection.result import GateInspection
    from sparse_keras.inspection.text.token_inspection import TokenInspection

COLOURS = 8  # The style sheet has so many.
_PASSAGES = 4
_LABELLED_PASSAGES = 6
_LONG = 160  # tokens of a passage
_ENOUGH = 60  # tokens: a passage should have at least these
_GATES = 16


def passages_section(tokens: TokenInspection, gates: Sequence[GateInspection], label: str) -> str:
    """Draws passages once for each gate of tokens, of which one is shown at a time.

    Args:
        tokens: The `TokenInspection`.
        gates: The gates.
        label: What labels are called.
    """
    gates = [gate for gate in gates if gate.name in tokens.choices and gate.tokens]
    if not gates:
        return ""
    passages = select_passages(tokens)
    parts = []
    for number, gate in enumerate(gates[:_GATES]):
        place = f"layer-{number}"
        checked = " checked" if number == 0 else ""
        parts.append(
            f'<input type="radio" name="layer" id="{place}"{checked}>'
            f'<label for="{place}">{breakable(gate.name)}</label>'
            f'<div class="layer">{_layer(tokens, gate, passages, label)}</div>'
        )
    more = ""
    if len(gates) > _GATES:
        more = f" {len(gates) - _GATES} more gates are not shown."
    caption = (
        "Each token stands on the colour of its expert; of several experts, that with the largest "
        "weight. Point at a token for all of its experts and their weights. ↵ is a line break."
    )
    numbers = (
        '<input type="checkbox" id="numbers"><label for="numbers">Write the number of the expert '
        "where it changes</label>"
    )
    return (
        f'<section class="card" id="texts"><h2>Texts by expert</h2>'
        f'<p class="muted">{text(caption + more)}</p>'
        f'{numbers}<div class="layers" role="group" aria-label="Gates">{"".join(parts)}</div>'
        "</section>"
    )


def select_passages(tokens: TokenInspection) -> list[range]:
    """Selects passages: one of each label, of up to six; without labels, four spread evenly.

    Returns:
        Ranges of tokens, each of one document and one row, from the beginning of what the row has
        of the document.
    """
    change = np.diff(tokens.row) != 0
    change |= np.diff(tokens.document) != 0
    change |= np.diff(tokens.place) != 1
    edges = np.concatenate([[0], np.flatnonzero(change) + 1, [len(tokens)]])
    pieces = [range(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]
    if tokens.labels is None:
        chosen = _spread(pieces, _PASSAGES)
    else:
        by_label: dict = {}
        for piece in pieces:
            by_label.setdefault(tokens.labels[piece.start], []).append(piece)
        largest = sorted(by_label.values(), key=lambda some: -sum(map(len, some)))
        chosen = [_spread(some, 1)[0] for some in largest[:_LABELLED_PASSAGES]]
    return [piece[:_LONG] for piece in chosen]


def _spread(pieces, count):
    """Some of the pieces that are long enough, else the longest ones, in their order."""
    enough = [piece for piece in pieces if len(piece) >= _ENOUGH]
    if len(enough) < count:
        enough = sorted(sorted(pieces, key=len)[-count:], key=lambda piece: piece.start)
    return [enough[n * len(enough) // count] for n in range(min(count, len(enough)))]


def _layer(tokens, gate, passages, label):
    choices = tokens.choices[gate.name]
    colour = _colours(gate, choices.expert[:, 0])
    parts = [_legend(gate, colour, choices.expert[:, 0])]
    for passage in passages:
        name = ""
        if tokens.labels is not None:
            name = f"<h3>{text(label)}: {text(tokens.labels[passage.start])}</h3>"
        spans = "".join(_spans(tokens, gate, choices, colour, passage))
        parts.append(f'{name}<div class="passage" lang="">{spans}</div>')
    return "".join(parts)


def _colours(gate, first):
    """Dict from an expert to the number of its colour; of many experts, the busiest have one."""
    if gate.num_experts <= COLOURS:
        return {expert: expert for expert in range(gate.num_experts)}
    count = np.bincount(first[first >= 0], minlength=gate.num_experts)
    busiest = np.argsort(-count, kind="stable")[:COLOURS]
    return {int(expert): number for number, expert in enumerate(sorted(busiest))}


def _legend(gate, colour, first):
    routed = max(int((first >= 0).sum()), 1)
    entries = [
        f'<span><i class="{_kind(colour, expert)}">{expert}</i>'
        f"{text(_beside(gate.expert_names[expert], expert))} "
        f"{percent((first == expert).sum() / routed)}</span>"
        for expert in colour
    ]
    others = gate.num_experts - len(colour)
    if others:
        share = ((first >= 0) & ~np.isin(first, list(colour))).sum() / routed
        entries.append(f'<span><i class="other">…</i>{others} others {percent(share)}</span>')
    what = "first choices" if gate.experts_per_token > 1 else "tokens"
    return (
        f'<p class="muted">Experts, and their shares of the {what} of all tokens that were read:'
        f'</p><p class="legend">{"".join(entries)}</p>'
    )


def _beside(name, expert):
    """The name of an expert, unless it is its number."""
    return "" if name == f"expert {expert}" else name


def _kind(colour, expert):
    if expert < 0:
        return "none"
    return f"e{colour[expert]}" if expert in colour else "other"


def _spans(tokens, gate, choices, colour, passage):
    """The tokens of a passage as HTML. Tokens that share a character are one element."""
    before = None
    ids = tokens.token_ids[passage.start : passage.stop].tolist()
    first = passage.start
    if ids[0] not in (tokens.tokenizer.end_id, *tokens.tokenizer.begin_ids):
        yield '<span class="cut">… </span>'
    for start, stop, content in characters(ids, tokens.tokenizer):
        group = range(first + start, first + stop)
        expert = int(choices.expert[group[0], 0])
        kind = f"t {_kind(colour, expert)}"
        if len(set(choices.expert[group.start : group.stop, 0].tolist())) > 1:
            kind += " several"
        if expert != before:
            kind += " new"
        before = expert
        title = "\n".join(_title(tokens, gate, choices, index) for index in group)
        # A percent sign as its number: the page joins others to the number before them.
        body = html.escape(content).replace("%", "&#37;").replace("\n", "<i>↵</i>\n")
        title = html.escape(title).replace("\n", "&#10;").replace("%", "&#37;")
        number = f' data-e="{expert}"' if expert >= 0 else ""
        yield f'<span class="{kind}"{number} title="{title}">{body}</span>'


def _title(tokens, gate, choices, index):
    pairs = [
        f"{gate.expert_names[expert]}: {weight:.2f}"
        for expert, weight in zip(
            choices.expert[index].tolist(), choices.weight[index].tolist(), strict=True
        )
        if expert >= 0
    ]
    return f"{tokens.shown(tokens.token_ids[index])}  {', '.join(pairs) or 'no expert'}"
