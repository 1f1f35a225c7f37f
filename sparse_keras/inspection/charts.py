"""Charts of gates: load, scores, and experts that are chosen together."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

import numpy as np

from sparse_keras._internal.pages.charts import columns
from sparse_keras.layers.mixtures.routing_warnings import percent

if TYPE_CHECKING:
    from sparse_keras.inspection.result import GateInspection


def load_chart(gate: GateInspection) -> str:
    """Draws a column for each expert's load, and a line at an even share."""
    load = np.nan_to_num(gate.load)
    even, top = 1 / gate.num_experts, max(float(load.max()), 1.3 / gate.num_experts)
    titles = [
        f"{name}: {percent(share)}" for name, share in zip(gate.expert_names, load, strict=True)
    ]
    busiest = int(np.argmax(load))
    label = (
        f"Load of {gate.num_experts} experts. The busiest, {gate.expert_names[busiest]}, has "
        f"{percent(load[busiest])}; an even share is {percent(even)}."
    )
    # Numbers of three digits need twice the space.
    step = math.ceil(gate.num_experts / (16 if gate.num_experts <= 100 else 8))
    axis = "".join(
        f"<span{' class=dead' if e in gate.dead else ''}>{e if e % step == 0 else ''}</span>"
        for e in range(gate.num_experts)
    )
    return (
        f'<div class="chart">{columns(load / top, titles, label, mark=("y", even / top))}</div>'
        f'<div class="axis" aria-hidden="true">{axis}</div>'
    )


def share_chart(histogram: np.ndarray, what: str, mark: float) -> str:
    """Draws a histogram over [0, 1] with a line at `mark`. `what` names its quantity."""
    bins = len(histogram)
    titles = [
        f"{what} {100 * b / bins:.0f} to {100 * (b + 1) / bins:.0f} %: {percent(count)} of tokens"
        for b, count in enumerate(histogram)
    ]
    mean = float((histogram * (np.arange(bins) + 0.5) / bins).sum())
    label = f"Distribution of {what} over tokens, mean {percent(mean)}."
    top = max(float(histogram.max()), 1e-9)
    return (
        f'<div class="chart">{columns(histogram / top, titles, label, ("x", mark), gap=0)}</div>'
        '<div class="axis ends" aria-hidden="true"><span>0 %</span><span>50 %</span>'
        "<span>100 %</span></div>"
    )


def pair_chart(gate: GateInspection) -> str:
    """Draws a triangle of cells: how often two experts are chosen together, relative to chance."""
    count = gate.num_experts
    size = min(24, max(240 // count, 10))  # As large as fits, unless that is too small.
    step = 1 if count <= 16 else 4
    left, edge = 22, count * size
    parts = []
    for i in range(count):
        if i % step == 0:
            middle = (i + 0.5) * size
            parts.append(f'<text x="{left - 5}" y="{middle + 3.5:g}" text-anchor="end">{i}</text>')
            parts.append(
                f'<text x="{left + middle:g}" y="{edge + 12}" text-anchor="middle">{i}</text>'
            )
        for j in range(i):
            ratio, tokens = gate.coactivation[i, j], gate.coactivation_tokens[i, j]
            kind, opacity = _shade(ratio)
            names = f"{gate.expert_names[j]} and {gate.expert_names[i]}"
            frequency = (
                "never expected"
                if math.isnan(ratio)
                else f"{ratio:.2f} times as often as by chance"
            )
            parts.append(
                f'<rect class="cell {kind}" x="{left + j * size}" y="{i * size}" '
                f'width="{size - 1}" height="{size - 1}" rx="2" fill-opacity="{opacity:.2f}">'
                f"<title>{html.escape(names)}: {frequency}, {tokens:,.0f} tokens</title></rect>"
            )
    label = f"How often two of {count} experts are chosen together, relative to chance."
    ratios = np.nan_to_num(np.tril(gate.coactivation, -1))
    i, j = np.unravel_index(np.argmax(ratios), ratios.shape)
    if ratios[i, j] > 1:
        names = f"{gate.expert_names[j]} and {gate.expert_names[i]}"
        label += f" Most often, {ratios[i, j]:.1f} times as often as by chance: {names}."
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Pairs of experts">'
        f'<svg class="grid" width="{left + edge + 2}" height="{edge + 16}" '
        f'role="img" aria-label="{html.escape(label)}">{"".join(parts)}</svg></div>'
    )


def _shade(ratio):
    """A cell's CSS class and opacity, which is full at 4 times chance and at a quarter of it."""
    if math.isnan(ratio):
        return "empty", 0.4
    strength = math.log2(max(ratio, 1 / 4)) / 2
    return ("more" if strength >= 0 else "fewer"), min(0.08 + 0.92 * abs(strength), 1.0)
