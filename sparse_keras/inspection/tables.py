"""An inspection as `rich` tables."""

import numpy as np
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sparse_keras.inspection.words import number, share
from sparse_keras.layers.mixtures.routing_warnings import percent

_MOST_FINDINGS = 12
_SIGNS = {"good": ("✓", "green"), "bad": ("!", "bold red"), "so": ("·", "dim")}
_BARS = " ▁▂▃▄▅▆▇█"


def as_tables(inspection):
    """A `rich.console.Group`: the summary in words, a table of gates, and one of findings."""
    parts = [
        Text(f"{inspection.model} on {inspection.examples:,} {inspection.data}\n", style="bold"),
        *(_line(verdict) for verdict in inspection.summary()),
        Text(),
        _gates(inspection.gates),
    ]
    if inspection.findings:
        parts += [Text(), _findings(inspection)]
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
    for name in ("experts", "a token", "violation", "dead", "decided", "entropy", "label bits"):
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
    found = [(gate.name, one) for gate in inspection.gates for one in gate.findings[:most]]
    left_out = len(inspection.findings) - len(found)
    table = Table(box=None, pad_edge=False, caption_justify="left")
    if several:
        table.add_column("gate", overflow="fold")
    table.add_column(inspection.label, overflow="fold")
    table.add_column("expert")
    for name in ("share", "of all", "times", "tokens"):
        table.add_column(name, justify="right")
    by_name = {gate.name: gate for gate in inspection.gates}
    for name, one in found:
        row = [escape(name)] if several else []
        table.add_row(
            *row,
            escape(str(one.label)),
            escape(by_name[name].expert_names[one.expert]),
            percent(one.share),
            percent(one.base_share),
            f"{one.lift:.1f}",
            f"{one.tokens:,}",
        )
    if left_out:
        table.caption = f"and {left_out} more"
    return table


def bars(load, most=32):
    """Loads as one character each; of many experts, the means of neighbours."""
    if not np.isfinite(load).all():
        return ""
    if len(load) > most:
        load = np.array([part.mean() for part in np.array_split(load, most)])
    top = load.max()
    steps = np.ceil(load / top * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[step] for step in steps)
