"""An inspection as plots. The only module that imports matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sparse_keras.inspection.result import GateInspection, Inspection

_ACCENT, _LESS, _BAD = "#22688f", "#b4602b", "#b3362b"
_MOST_LABELS = 20


def draw(inspection: Inspection, gates: list[GateInspection]) -> Figure:
    """Draws a row of plots for each gate: load, confidence, pairs, labels.

    Args:
        inspection: The `Inspection`.
        gates: The gates to draw.

    Returns:
        A `matplotlib.figure.Figure` without a window: a notebook displays it as the value of a
        cell, and `savefig` writes it to a file.

    Raises:
        ValueError: If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot  # noqa: F401  Makes notebooks display figures.
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("Plots need matplotlib: pip install matplotlib") from None
    panels = [_load, _confidence]
    if any(np.isfinite(gate.coactivation).any() for gate in gates):
        panels.append(_pairs)
    if any(gate.labels for gate in gates):
        panels.append(_labels)
    rows = [_height(gate, _labels in panels) for gate in gates]
    figure = Figure(figsize=(4.2 * len(panels), sum(rows)), layout="constrained")
    grid = figure.subplots(
        len(gates), len(panels), squeeze=False, gridspec_kw={"height_ratios": rows}
    )
    for gate, axes in zip(gates, grid, strict=True):
        for panel, axis in zip(panels, axes, strict=True):
            axis.spines[["top", "right"]].set_visible(False)
            panel(axis, gate, inspection.label)
        axes[0].set_ylabel(gate.name, fontweight="bold")
    figure.suptitle(f"{inspection.model} on {inspection.examples:,} {inspection.data}")
    return figure


def _height(gate, with_labels):
    """Height in inches, with space for a line per label."""
    return max(3.0, 1.2 + 0.22 * min(len(gate.labels), _MOST_LABELS)) if with_labels else 3.0


def _load(axis, gate, label):
    experts = np.arange(gate.num_experts)
    axis.bar(experts, 100 * gate.load, color=_ACCENT)
    axis.axhline(100 / gate.num_experts, color=_LESS, linestyle="--", linewidth=1)
    _ticks(axis.xaxis, gate.num_experts)
    for tick in axis.get_xticklabels():
        if tick.get_text() in map(str, gate.dead):
            tick.set_color(_BAD)
            tick.set_fontweight("bold")
    axis.set_title("load, % (dashed: even)", fontsize=10)
    axis.set_xlabel("expert")


def _confidence(axis, gate, label):
    edges = np.linspace(0, 100, len(gate.confidence_histogram) + 1)
    axis.stairs(100 * gate.confidence_histogram, edges, fill=True, color=_ACCENT)
    axis.axvline(100 / gate.num_experts, color=_LESS, linestyle="--", linewidth=1)
    axis.set_xlim(0, 100)
    axis.set_title("tokens, % (dashed: uniform)", fontsize=10)
    axis.set_xlabel("first choice's share of the scores, %")


def _pairs(axis, gate, label):
    if not np.isfinite(gate.coactivation).any():
        axis.set_axis_off()
        return
    lower = np.tril(np.ones_like(gate.coactivation, dtype=bool), -1)
    ratio = np.where(lower, np.log2(np.maximum(gate.coactivation, 1 / 4)), np.nan)
    image = axis.imshow(ratio, cmap=_diverging(), vmin=-2, vmax=2)
    bar = axis.figure.colorbar(image, ax=axis, shrink=0.8, ticks=[-2, -1, 0, 1, 2])
    bar.ax.set_yticklabels(["¼", "½", "1", "2", "4"])
    bar.outline.set_visible(False)
    _ticks(axis.xaxis, gate.num_experts)
    _ticks(axis.yaxis, gate.num_experts)
    axis.set_title("together, times chance", fontsize=10)
    axis.set_xlabel("expert")


def _labels(axis, gate, label):
    if not gate.labels:
        axis.set_axis_off()
        return
    code_of = {label: code for code, label in enumerate(gate.labels)}
    first = [code_of[finding.label] for finding in gate.findings]
    order = list(dict.fromkeys([*first, *np.argsort(-gate.label_tokens, kind="stable").tolist()]))
    codes = range(len(order)) if len(order) <= _MOST_LABELS else order[:_MOST_LABELS]
    axis.imshow(100 * gate.rate[list(codes)], cmap=_sequential(), vmin=0, vmax=100, aspect="auto")
    significant = {(code_of[finding.label], finding.expert) for finding in gate.findings}
    for row, code in enumerate(codes):
        for expert in range(gate.num_experts):
            rate = 100 * gate.rate[code, expert]
            strong = (code, expert) in significant
            if gate.num_experts <= 12 or strong:
                axis.text(
                    expert,
                    row,
                    f"{rate:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if rate > 55 else "black",
                    fontweight="bold" if strong else "normal",
                )
    axis.set_yticks(range(len(codes)), [str(gate.labels[code]) for code in codes], fontsize=8)
    _ticks(axis.xaxis, gate.num_experts)
    axis.set_title(f"tokens by {label}, % (bold: significant)", fontsize=10)
    axis.set_xlabel("expert")


def _ticks(axis, num_experts):
    step = -(-num_experts // 16)
    places = range(0, num_experts, step)
    axis.set_ticks(list(places), [str(place) for place in places], fontsize=8)


def _sequential():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("load", ["#ffffff", _ACCENT])


def _diverging():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pairs", [_LESS, "#f4f2ee", _ACCENT])
