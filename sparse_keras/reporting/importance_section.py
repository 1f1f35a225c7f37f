"""The part of the page about what the model relies on: permutation importance."""

from __future__ import annotations

import numpy as np

from sparse_keras._internal.metric_text import metric_text
from sparse_keras._internal.pages import html
from sparse_keras.reporting.words import matters

_MOST_IMPORTANT = 20


def importance_section(report):
    """Renders the part."""
    importance = report.importance
    title = "What it relies on"
    if importance is None:
        reason = html.paragraph(f"Left out. {report.left_out['importance']}")
        return html.section(title, reason, "columns-used")
    sample = (
        f"{importance.rows:,} {report.part} rows drawn at random of {importance.of:,}"
        if importance.rows < importance.of
        else f"all {importance.rows:,} {report.part} rows"
    )
    figures = []
    for target in report.targets:
        drops = importance.drops[target.name]
        if not np.isfinite(drops).all():
            continue
        head = target.metrics[target.main].label
        how = "falls" if target.metrics[target.main].best == "max" else "rises"
        caption = html.text(
            f"How far the {head} {how} when the values of a column are shuffled among the rows: "
            "the longer a bar, the more the model relies on the column. The thin line spans the "
            f"{drops.shape[1]} shuffles. Measured on {sample}. Columns that say the same as others "
            "look less important than they are together."
        )
        name = "Permutation importance"
        name += f": {target.name}" if len(report.targets) > 1 else ""
        figures.append(html.card(name, caption, _bars(importance, drops, head), wide=True))
    if not figures:
        reason = html.paragraph("Left out. The metric is undefined.")
        return html.section(title, reason, "columns-used")
    return html.chapter(title, html.cards(figures), "columns-used")


def _bars(importance, drops, head):
    mean = drops.mean(axis=1)
    order = np.argsort(-mean, kind="stable")
    top = max(float(drops.max()), 1e-12)
    clear = matters(drops)

    def row(n):
        width = 100 * max(float(mean[n]), 0.0) / top
        ends = drops[n].min(), drops[n].max()
        low, high = (100 * min(max(float(end), 0.0), top) / top for end in ends)
        bar = (
            f'<span class="track"><i style="left:0;width:{width:.1f}%"></i>'
            f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b></span>'
        )
        spread = float(drops[n].std(ddof=1))
        weak = "" if clear[n] else "<br><small>not measurable</small>"
        return (
            f'<tr><th scope="row">{html.breakable(importance.columns[n])}</th>'
            f'<td class="track-cell">{bar}</td><td>{metric_text(float(mean[n]))} '
            f"<small>± {metric_text(spread)}</small>{weak}</td></tr>"
        )

    heads = html.heads("column", "", f"change of {head}")
    shown = "".join(row(n) for n in order[:_MOST_IMPORTANT])
    body = html.table(heads, shown, "Importance of columns", "full wrap")
    if len(order) > _MOST_IMPORTANT:
        rest = "".join(row(n) for n in order[_MOST_IMPORTANT:])
        more = html.table(heads, rest, "Importance of the other columns", "full wrap")
        body += html.folded(more, f"{len(order) - _MOST_IMPORTANT} more columns")
    return body
