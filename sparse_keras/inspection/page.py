"""An inspection as one self-contained page of HTML: no network, no scripts."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import numpy as np

import sparse_keras
from sparse_keras.inspection.association import ALPHA, MIN_EXAMPLES, MIN_LIFT
from sparse_keras.inspection.charts import load_chart, pair_chart, share_chart
from sparse_keras.inspection.style import STYLE
from sparse_keras.inspection.words import (
    PAIR_DEVIATIONS,
    PAIR_RATIO,
    PAIR_TOKENS,
    number,
    share,
)
from sparse_keras.layers.mixtures.routing_warnings import ENOUGH, experts, percent

if TYPE_CHECKING:
    from sparse_keras.inspection.result import Inspection

MARK = "<!-- written by sparse_keras.inspect -->"
_MOST_LABELS = 24  # in a table of labels
_MOST_PAIRED = 48  # experts in a chart of pairs
_MOST_PAIRS = 10  # in a table
_MOST_COLUMNS = 64  # experts in a table of labels
_MOST_NAMED = 4  # labels of an expert

_HEAD = """<!doctype html>
{mark}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
"""  # noqa: E501

_READING = """<footer>
<h2>How to read this page</h2>
<p>A <b>token</b> is the unit that a router assigns: a word of a text, a row of a table.</p>
<p><b>Load</b> is an expert's share of all assignments of tokens to experts. Violation is the
largest load over the mean load, minus 1; 0 is perfect balance. A dead expert got no token. Padding
is ignored.</p>
<p><b>Top score</b> is a token's largest score as a share of the sum of its scores, on average.
Entropy is that of the scores relative to that of a uniform choice: 100&nbsp;% means that a router
does not prefer any expert.</p>
<p><b>Together</b>: how often two experts are chosen together, relative to chance given their loads
(quasi-independence). Two experts are reported if this ratio is at least {ratio:g}, the number of
tokens is at least {deviations} standard deviations above chance, and they share at least {tokens}
tokens.</p>
<p>A gate with fewer than {enough} assignments per expert is not called collapsed, nor its experts
dead: this may be chance.</p>
<p><b>Labels</b>: a pair of a label and an expert is significant if the expert serves a larger share
of the label's tokens than of all tokens, by a test at {alpha:g}&nbsp;% with a Bonferroni correction
for all pairs of all gates, in which an example, not a token, is one draw; and if this share is at
least {lift:g} times as large. Labels with fewer than {examples} examples are not tested. Bits are
the mutual information of a token's label and expert, with its expected value by chance in
brackets.</p>
<p>Written by sparse_keras {version}.</p>
</footer>
"""


def page_of(inspection: Inspection) -> str:
    """Renders the page."""
    title = f"Experts of {inspection.model}"
    gates = inspection.gates
    parts = [
        f"<h1>{_breakable(title)}</h1>",
        f'<p class="muted">How its routers distribute {inspection.examples:,} '
        f"{_text(inspection.data)} over experts</p>",
        f'<section class="card"><h2>Summary</h2>{_verdicts(inspection.summary())}</section>',
    ]
    if len(gates) > 1:
        parts.append(_overview(gates))
    parts += [_gate(gate, n, inspection.label) for n, gate in enumerate(gates)]
    parts.append(
        _READING.format(
            ratio=PAIR_RATIO,
            deviations=PAIR_DEVIATIONS,
            tokens=PAIR_TOKENS,
            enough=ENOUGH,
            alpha=100 * ALPHA,
            lift=MIN_LIFT,
            examples=MIN_EXAMPLES,
            version=sparse_keras.__version__,
        )
    )
    head = _HEAD.format(mark=MARK, title=_text(title), style=STYLE)
    # A number and its sign stay on one line.
    body = "\n".join(parts).replace(" %", "&nbsp;%")
    return f"{head}{body}\n</main>\n</body>\n</html>\n"


def _text(value):
    return html.escape(str(value))


def _breakable(value):
    """Text in which long names break at slashes and underscores."""
    return re.sub(r"\S{25,}", lambda name: re.sub("([/_])", r"\1<wbr>", name[0]), _text(value))


def _table(head, rows, label, kind="full"):
    """A table that scrolls sideways, by touch and by keyboard, where it is too wide.

    Args:
        head: HTML of the header cells.
        rows: HTML of the rows.
        label: Its name for screen readers.
        kind: Its CSS class.
    """
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(label)}">'
        f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _head(*names):
    return "".join(f'<th scope="col">{_text(name)}</th>' for name in names)


def _verdicts(verdicts):
    items = "".join(
        f'<li class="{verdict.kind}">{_breakable(verdict.text)}</li>' for verdict in verdicts
    )
    return f'<ul class="verdicts">{items}</ul>'


def _overview(gates):
    columns = (
        "experts",
        "per token",
        "violation",
        "dead",
        "dropped",
        "top score",
        "entropy",
        "bits",
    )
    rows = []
    for n, gate in enumerate(gates):
        cells = (
            gate.num_experts,
            number(gate.experts_per_token, ".3g"),
            number(gate.load_violation, ".2f"),
            len(gate.dead),
            share(gate.dropped),
            share(gate.confidence),
            share(gate.entropy),
            number(gate.mutual_information, ".3f"),
        )
        cells = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        name = f'<a href="#gate-{n}">{_breakable(gate.name)}</a>'
        rows.append(f'<tr><td class="text">{name}</td>{cells}</tr>')
    table = _table(_head("gate", *columns), "".join(rows), "Gates")
    return f'<section class="card"><h2>Gates</h2>{table}</section>'


def _gate(gate, n, label):
    per_token = number(gate.experts_per_token, ".3g")
    about = (
        f"{gate.router}, {gate.num_experts} experts, {per_token} per token, {gate.tokens:,} tokens"
    )
    parts = [
        f'<section id="gate-{n}"><h2>{_breakable(gate.name)}</h2>',
        f'<p class="muted">{_text(about)}</p>',
        _verdicts(gate.verdicts),
    ]
    if gate.tokens:
        cards = [_load_card(gate), _decision_card(gate), _pairs_card(gate)]
        cards += [_labels_card(gate, label), _experts_card(gate, label)]
        parts.append(f'<div class="cards">{"".join(cards)}</div>')
    return "\n".join([*parts, "</section>"])


def _card(title, caption, body, wide=False):
    kind = "card wide" if wide else "card"
    return (
        f'<figure class="{kind}"><h3>{_text(title)}</h3><figcaption>{caption}</figcaption>{body}'
        "</figure>"
    )


def _load_card(gate):
    even = f"{100 / gate.num_experts:.3g} %"
    what = "weight" if gate.soft else "assignments"
    caption = (
        f"Each expert's share of the {what}, at most {percent(gate.load.max())}. "
        f'<span class="key"></span> even share: {even}'
    )
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td>{100 * load:.1f} %</td><td>{100 * weight:.1f} %</td></tr>"
        for name, load, weight in zip(gate.expert_names, gate.load, gate.importance, strict=True)
    )
    numbers = _table(_head("expert", what, "weight"), rows, "Load in numbers", kind="few")
    return _card("Load", caption, load_chart(gate) + _folded(numbers))


def _folded(numbers):
    return f"<details><summary>Numbers</summary>{numbers}</details>"


def _decision_card(gate):
    caption = (
        f"The first choice's share of a token's scores, on average {percent(gate.confidence)}. "
        f'<span class="key"></span> uniform scores: {100 / gate.num_experts:.3g} %'
    )
    chart = share_chart(gate.confidence_histogram, "first choice's share", 1 / gate.num_experts)
    return _card("Top score", caption, chart)


def _pairs_card(gate):
    if not np.isfinite(gate.coactivation).any():
        return ""
    caption = (
        'How often two experts are chosen together: <span class="swatch" '
        'style="background:var(--accent)"></span> more, <span class="swatch" '
        'style="background:var(--less)"></span> less often than by chance.'
    )
    table = _pairs_table(gate)
    if gate.num_experts <= _MOST_PAIRED:
        return _card(
            "Experts chosen together", caption, pair_chart(gate) + (table and _folded(table))
        )
    caption = "The pairs furthest above chance, and the ratio to chance."
    if not table:
        caption = f"No two experts share {PAIR_TOKENS} tokens, and more than by chance."
    return _card("Experts chosen together", caption, table)


def _pairs_table(gate):
    """The pairs furthest above chance; an empty string if there are none."""
    ratio = np.nan_to_num(np.triu(gate.coactivation))
    busy = ratio * (np.triu(gate.coactivation_tokens) >= PAIR_TOKENS)
    rows = ""
    for index in np.argsort(-busy, axis=None)[:_MOST_PAIRS]:
        i, j = np.unravel_index(index, busy.shape)
        if busy[i, j] > 1:
            names = f"{gate.expert_names[i]} and {gate.expert_names[j]}"
            if names == f"expert {i} and expert {j}":
                names = experts([i, j])
            cells = f"<td>{ratio[i, j]:.1f}</td><td>{gate.coactivation_tokens[i, j]:,.0f}</td>"
            rows += f'<tr><td class="text">{_text(names)}</td>{cells}</tr>'
    return rows and _table(_head("pair", "times", "tokens"), rows, "Pairs above chance")


def _labels_card(gate, label):
    if not gate.labels:
        return ""
    significant = {(finding.label, finding.expert) for finding in gate.findings}
    by_tokens = [gate.labels[n] for n in np.argsort(-gate.label_tokens, kind="stable")]
    labels = gate.labels
    if len(labels) > _MOST_LABELS:
        with_findings = [finding.label for finding in gate.findings]
        labels = list(dict.fromkeys([*with_findings, *by_tokens]))[:_MOST_LABELS]
    row_of = {name: row for row, name in enumerate(gate.labels)}
    columns = _columns_of(gate)
    everything = "".join(
        f'<td style="--v:{min(gate.base_rate[e], 1):.2f}">{100 * gate.base_rate[e]:.0f}</td>'
        for e in columns
    )
    head = "".join(
        f'<th scope="col" title="{_text(gate.expert_names[e])}">{e}</th>' for e in columns
    )
    rows = []
    for name in labels:
        cells = []
        for e in columns:
            rate, lift = gate.rate[row_of[name], e], gate.lift[row_of[name], e]
            kind = ' class="named"' if (name, e) in significant else ""
            title = f"{name}, {gate.expert_names[e]}: {percent(rate)}, {lift:.1f} times its share"
            cells.append(
                f'<td{kind} style="--v:{min(rate, 1):.2f}" title="{_text(title)}">'
                f"{100 * rate:.0f}</td>"
            )
        rows.append(
            f'<tr><th scope="row" title="{_text(name)}"><span>{_text(name)}</span></th>'
            f"{''.join(cells)}</tr>"
        )
    what = "weight" if gate.soft else "tokens"
    left_out = len(gate.labels) - len(labels)
    more = f" {left_out:,} more {'is' if left_out == 1 else 'are'} not shown." if left_out else ""
    bits = f"{gate.mutual_information:.3f} bits ({gate.mutual_information_by_chance:.3f} by chance)"
    caption = _text(
        f"Each expert's share of the {what} of each {label}, in percent; significant pairs are "
        f"framed. {bits}.{more}"
    )
    kind = "heat many" if len(columns) > 16 else "heat"
    rows.append(f'<tr><th scope="row"><span>all</span></th>{everything}</tr>')
    table = _table(f"<td></td>{head}", "".join(rows), f"Experts by {label}", kind)
    return _card(f"By {label}", caption, table, wide=True)


def _columns_of(gate):
    """The experts to show: all, or those with findings and then those with the largest load."""
    if gate.num_experts <= _MOST_COLUMNS:
        return range(gate.num_experts)
    first = dict.fromkeys(finding.expert for finding in gate.findings)
    order = [*first, *np.argsort(-gate.load, kind="stable").tolist()]
    return sorted(list(dict.fromkeys(order))[:_MOST_COLUMNS])


def _experts_card(gate, label):
    if not gate.findings:
        return ""
    rows = []
    for e, name in enumerate(gate.expert_names):
        findings = [finding for finding in gate.findings if finding.expert == e]
        if not findings:
            continue
        specialities = ", ".join(
            f"{finding.label} ({finding.lift:.1f}×)" for finding in findings[:_MOST_NAMED]
        )
        if len(findings) > _MOST_NAMED:
            specialities += f" and {len(findings) - _MOST_NAMED} more"
        load = percent(gate.load[e])
        rows.append(
            f"<tr><td>{_text(name)}</td><td>{load}</td>"
            f'<td class="text">{_text(specialities)}</td></tr>'
        )
    head = f'{_head("expert", "load")}<th scope="col" class="text">specialises in</th>'
    table = _table(head, "".join(rows), "Specialities of experts")
    caption = _text(
        f"Values of {label} of which an expert serves a significantly larger share than of all "
        "tokens, and the ratio of the two shares."
    )
    return _card("Specialities of experts", caption, table, wide=True)
