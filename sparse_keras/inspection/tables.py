"""An inspection as `rich` tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sparse_keras.inspection.words import number, share, strength
from sparse_keras.layers.mixtures.routing_warnings import percent

if TYPE_CHECKING:
    from sparse_keras.inspection.result import Inspection

_MOST_FINDINGS = 12
_MOST_EXPERTS = 24
_MOST_TOKENS = 6  # of an expert
_SIGNS = {"good": ("✓", "green"), "bad": ("!", "bold red"), "so": ("·", "dim")}
_BARS = " ▁▂▃▄▅▆▇█"


def as_tables(inspection: Inspection) -> Group:
    """Renders the summary in sentences, a table of gates, and a table of findings."""
    parts = [
        Text(f"{inspection.model} on {inspection.examples:,} {inspection.data}\n", style="bold"),
        *(_line(verdict) for verdict in inspection.summary()),
        Text(),
        _gates(inspection.gates),
    ]
    if inspection.findings:
        parts += [Text(), _findings(inspection)]
    if any(gate.token_findings for gate in inspection.gates):
        parts += [Text(), _tokens(inspection)]
    return Group(*parts)


def _line(verdict):
    sign, style = _SIGNS[verdict.kind]
    line = Table.grid(padding=(0, 1))
    line.add_row(Text(sign, style=style), Text(verdict.text))
    return line


def _gates(gates):
    table = Table(box=None, pad_edge=False)
    table.add_column("gate", overflow="fold")
    table.add_column("load, from expert 0 on", no_wrap=True)
    for name in ("experts", "per token", "violation", "dead", "top score", "entropy", "label bits"):
        table.add_column(name, justify="right")
    for gate in gates:
        table.add_row(
            escape(gate.name),
            bars(gate.load),
            str(gate.num_experts),
            number(gate.experts_per_token, ".3g"),
            number(gate.load_violation, ".2f"),
            Text(str(len(gate.dead)), style="red" if gate.dead else ""),
            share(gate.confidence),
            share(gate.entropy),
            number(gate.mutual_information, ".3f"),
        )
    return table


def _findings(inspection):
    several = len(inspection.gates) > 1
    most = max(3, _MOST_FINDINGS // len(inspection.gates))
    listed = [(gate, finding) for gate in inspection.gates for finding in gate.findings[:most]]
    left_out = len(inspection.findings) - len(listed)
    table = Table(box=None, pad_edge=False, caption_justify="left")
    if several:
        table.add_column("gate", overflow="fold")
    table.add_column(inspection.label, overflow="fold")
    table.add_column("expert")
    for name in ("share", "of all", "times", "tokens"):
        table.add_column(name, justify="right")
    table.add_column("association")
    for gate, finding in listed:
        row = [escape(gate.name)] if several else []
        table.add_row(
            *row,
            escape(str(finding.label)),
            escape(gate.expert_names[finding.expert]),
            percent(finding.share),
            percent(finding.base_share),
            f"{finding.lift:.1f}",
            f"{finding.tokens:,}",
            strength(finding),
        )
    if left_out:
        table.caption = f"and {left_out} more"
    return table


def _tokens(inspection):
    """The tokens that each expert gets more often than by chance."""
    several = len(inspection.gates) > 1
    rows = [
        (gate, expert, findings)
        for gate in inspection.gates
        for expert in range(gate.num_experts)
        if (findings := [one for one in gate.token_findings if one.expert == expert])
    ]
    table = Table(box=None, pad_edge=False, caption_justify="left")
    if several:
        table.add_column("gate", overflow="fold")
    table.add_column("expert")
    table.add_column("tokens that it gets more often than by chance", overflow="fold")
    for gate, expert, findings in rows[:_MOST_EXPERTS]:
        words = "  ".join(f"{one.label} {one.lift:.1f}×" for one in findings[:_MOST_TOKENS])
        row = [escape(gate.name)] if several else []
        table.add_row(*row, escape(gate.expert_names[expert]), escape(words))
    if len(rows) > _MOST_EXPERTS:
        table.caption = f"and {len(rows) - _MOST_EXPERTS} more experts, which the page shows"
    return table


def bars(load: np.ndarray, most: int = 32) -> str:
    """Draws loads as a character each; more than `most` experts are averaged in groups."""
    if not np.isfinite(load).all():
        return ""
    if len(load) > most:
        load = np.array([part.mean() for part in np.array_split(load, most)])
    top = load.max()
    steps = np.ceil(load / top * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[step] for step in steps)
