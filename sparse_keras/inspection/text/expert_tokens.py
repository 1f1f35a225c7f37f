"""What each expert reads, on a page: the tokens that it gets more often than by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparse_keras._internal.pages import html
from sparse_keras.layers.mixtures.routing_warnings import percent

if TYPE_CHECKING:
    from sparse_keras.inspection.result import Finding, GateInspection

_MOST_TOKENS = 12  # of an expert


def tokens_card(gate: GateInspection) -> str:
    """Draws a card with the tokens of each expert."""
    title = "What each expert reads"
    if not gate.token_findings:
        nothing = "No token goes to an expert significantly more often than by chance."
        return html.card(title, nothing, "", wide=True)
    rows = ""
    for expert, name in enumerate(gate.expert_names):
        findings = [finding for finding in gate.token_findings if finding.expert == expert]
        if findings:
            more = len(findings) - _MOST_TOKENS
            words = " ".join(_word(finding, gate) for finding in findings[:_MOST_TOKENS])
            words += f" and {more} more" if more > 0 else ""
            rows += (
                f"<tr><td>{html.text(name)}</td><td>{percent(gate.load[expert])}</td>"
                f'<td class="text">{words}</td></tr>'
            )
    head = f'{html.heads("expert", "load")}<th scope="col" class="text">tokens</th>'
    number = "" if gate.soft else ", after it how many of them the expert gets"
    caption = html.text(
        "Tokens that an expert gets significantly more often than by chance, those first whose "
        f"number is furthest above it. With each token{number}, and how many times the "
        "expert's share of all tokens that is. ␣ is a space, ↵ a line break, ⇥ a tab; <E5> is a "
        "byte of a character."
    )
    return html.card(title, caption, html.table(head, rows, title), wide=True)


def count_of(finding: Finding) -> int:
    """The number of the tokens that go to the expert."""
    return round(finding.share * finding.tokens)


def _word(finding, gate):
    title = (
        f"{gate.expert_names[finding.expert]} has {percent(finding.share)} of {finding.tokens:,} "
        f"and {percent(finding.base_share)} of all tokens"
    )
    number = "" if gate.soft else f"{count_of(finding):,}, "
    return (
        f'<span class="word" title="{html.text(title)}"><code>{html.text(finding.label)}</code> '
        f"<small>{number}{finding.lift:.1f}×</small></span>"
    )
