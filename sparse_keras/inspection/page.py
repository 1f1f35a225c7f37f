"""An inspection as one self-contained page of HTML: no network, no scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import sparse_keras
from sparse_keras._internal.pages import html
from sparse_keras.inspection.association import ALPHA, MIN_EXAMPLES, MIN_LIFT
from sparse_keras.inspection.charts import load_chart, pair_chart, share_chart
from sparse_keras.inspection.text.expert_tokens import tokens_card
from sparse_keras.inspection.text.passages import passages_section
from sparse_keras.inspection.words import (
    MODERATE,
    PAIR_DEVIATIONS,
    PAIR_RATIO,
    PAIR_TOKENS,
    STRONG,
    number,
    share,
    strength,
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
for all pairs of all gates, in which an example, not a token, is one draw (of texts, a document for
labels, a row for tokens); and if this share is at
least {lift:g} times as large. The association is weak up to a Cohen's h of {moderate:g}, moderate
up to {strong:g}, and strong above: h is the difference of the arcsines of the square roots of the
two shares, doubled. Labels with fewer than {examples} examples are not tested. Bits are the mutual
information of a token's label and expert, with its expected value by chance in brackets.</p>
<p>Written by sparse_keras {version}.</p>
</footer>
"""


def page_of(inspection: Inspection) -> str:
    """Renders the page."""
    title = f"Experts of {inspection.model}"
    gates = inspection.gates
    parts = [
        f"<h1>{html.breakable(title)}</h1>",
        f'<p class="muted">How its routers distribute {inspection.examples:,} '
        f"{html.text(inspection.data)} over experts</p>",
        html.section("Summary", html.verdict_list(inspection.summary())),
    ]
    if len(gates) > 1:
        parts.append(_overview(gates))
    if inspection.tokens is not None:
        parts.append(passages_section(inspection.tokens, gates, inspection.label))
    parts += [_gate(gate, n, inspection) for n, gate in enumerate(gates)]
    parts.append(
        _READING.format(
            ratio=PAIR_RATIO,
            deviations=PAIR_DEVIATIONS,
            tokens=PAIR_TOKENS,
            enough=ENOUGH,
            alpha=100 * ALPHA,
            lift=MIN_LIFT,
            moderate=MODERATE,
            strong=STRONG,
            examples=MIN_EXAMPLES,
            version=sparse_keras.__version__,
        )
    )
    return html.document(title, MARK, parts)


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
        cells = "".join(f"<td>{html.text(cell)}</td>" for cell in cells)
        name = f'<a href="#gate-{n}">{html.breakable(gate.name)}</a>'
        rows.append(f'<tr><td class="text">{name}</td>{cells}</tr>')
    table = html.table(html.heads("gate", *columns), "".join(rows), "Gates")
    return html.section("Gates", table)


def _gate(gate, n, inspection):
    label, tokens = inspection.label, inspection.tokens
    per_token = number(gate.experts_per_token, ".3g")
    about = (
        f"{gate.router}, {gate.num_experts} experts, {per_token} per token, {gate.tokens:,} tokens"
    )
    parts = [
        f'<section id="gate-{n}"><h2>{html.breakable(gate.name)}</h2>',
        f'<p class="muted">{html.text(about)}</p>',
        html.verdict_list(gate.verdicts),
    ]
    if gate.tokens:
        cards = [_load_card(gate), _decision_card(gate), _pairs_card(gate)]
        cards += [_labels_card(gate, label), _experts_card(gate, label)]
        if tokens is not None and gate.name in tokens.choices:
            cards.append(tokens_card(gate))
        parts.append(html.cards(cards))
    return "\n".join([*parts, "</section>"])


def _load_card(gate):
    even = f"{100 / gate.num_experts:.3g} %"
    what = "weight" if gate.soft else "assignments"
    caption = (
        f"Each expert's share of the {what}, at most {percent(gate.load.max())}. "
        f'<span class="key"></span> even share: {even}'
    )
    rows = "".join(
        f"<tr><td>{html.text(name)}</td><td>{100 * load:.1f} %</td>"
        f"<td>{100 * weight:.1f} %</td></tr>"
        for name, load, weight in zip(gate.expert_names, gate.load, gate.importance, strict=True)
    )
    numbers = html.table(html.heads("expert", what, "weight"), rows, "Load in numbers", kind="few")
    return html.card("Load", caption, load_chart(gate) + html.folded(numbers))


def _decision_card(gate):
    caption = (
        f"The first choice's share of a token's scores, on average {percent(gate.confidence)}. "
        f'<span class="key"></span> uniform scores: {100 / gate.num_experts:.3g} %'
    )
    chart = share_chart(gate.confidence_histogram, "first choice's share", 1 / gate.num_experts)
    return html.card("Top score", caption, chart)


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
        return html.card(
            "Experts chosen together", caption, pair_chart(gate) + (table and html.folded(table))
        )
    caption = "The pairs furthest above chance, and the ratio to chance."
    if not table:
        caption = f"No two experts share {PAIR_TOKENS} tokens, and more than by chance."
    return html.card("Experts chosen together", caption, table)


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
            rows += f'<tr><td class="text">{html.text(names)}</td>{cells}</tr>'
    return rows and html.table(html.heads("pair", "times", "tokens"), rows, "Pairs above chance")


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
        f'<th scope="col" title="{html.text(gate.expert_names[e])}">{e}</th>' for e in columns
    )
    rows = []
    for name in labels:
        cells = []
        for e in columns:
            rate, lift = gate.rate[row_of[name], e], gate.lift[row_of[name], e]
            kind = ' class="named"' if (name, e) in significant else ""
            title = f"{name}, {gate.expert_names[e]}: {percent(rate)}, {lift:.1f} times its share"
            cells.append(
                f'<td{kind} style="--v:{min(rate, 1):.2f}" title="{html.text(title)}">'
                f"{100 * rate:.0f}</td>"
            )
        rows.append(
            f'<tr><th scope="row" title="{html.text(name)}"><span>{html.text(name)}</span></th>'
            f"{''.join(cells)}</tr>"
        )
    what = "weight" if gate.soft else "tokens"
    left_out = len(gate.labels) - len(labels)
    more = f" {left_out:,} more {'is' if left_out == 1 else 'are'} not shown." if left_out else ""
    bits = f"{gate.mutual_information:.3f} bits ({gate.mutual_information_by_chance:.3f} by chance)"
    caption = html.text(
        f"Each expert's share of the {what} of each {label}, in percent; significant pairs are "
        f"framed. {bits}.{more}"
    )
    kind = "heat many" if len(columns) > 16 else "heat"
    rows.append(f'<tr><th scope="row"><span>all</span></th>{everything}</tr>')
    table = html.table(f"<td></td>{head}", "".join(rows), f"Experts by {label}", kind)
    return html.card(f"By {label}", caption, table, wide=True)


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
            f"{finding.label} ({finding.lift:.1f}×, {strength(finding)})"
            for finding in findings[:_MOST_NAMED]
        )
        if len(findings) > _MOST_NAMED:
            specialities += f" and {len(findings) - _MOST_NAMED} more"
        load = percent(gate.load[e])
        rows.append(
            f"<tr><td>{html.text(name)}</td><td>{load}</td>"
            f'<td class="text">{html.text(specialities)}</td></tr>'
        )
    head = f'{html.heads("expert", "load")}<th scope="col" class="text">serves more of</th>'
    title = f"What experts serve more of, by {label}"
    table = html.table(head, "".join(rows), title)
    caption = html.text(
        f"Values of {label} of which an expert serves a significantly larger share than of all "
        "tokens, the ratio of the two shares, and how strong the association is."
    )
    return html.card(title, caption, table, wide=True)
