"""Cards about a target that is a number: predicted and true values, and residuals."""

from __future__ import annotations

import numpy as np

from sparse_keras._internal.metric_text import metric_text
from sparse_keras._internal.pages import html
from sparse_keras._internal.pages.charts import Series, axis_of, columns, plot
from sparse_keras.reporting.curves import MOST_PAIRS

_BINS = 40


def true_and_predicted_card(target):
    """Renders a scatter plot."""
    if target.pairs is None:
        return ""
    sample = (
        f"{len(target.pairs):,} rows drawn at random of {target.rows:,}"
        if target.rows > MOST_PAIRS
        else f"All {target.rows:,} rows"
    )
    caption = (
        f"{sample}. A dot on the dotted line is predicted exactly; above it, too high a value was "
        "predicted, below it, too low a one."
    )
    values = target.pairs.reshape(-1)
    axis = axis_of(values, "true value")
    chart = plot(
        [
            Series([axis.low, axis.high], [axis.low, axis.high], "reference", "exact"),
            Series(target.pairs[:, 0], target.pairs[:, 1], "dots", "a row"),
        ],
        axis,
        axis_of(values, "predicted value"),
        f"Predicted by true {target.name}.",
        square=True,
    )
    return html.card("Predicted and true values", html.prose(caption), chart)


def residuals_card(target):
    """Renders their distribution."""
    if target.residuals is None:
        return ""
    residuals = target.residuals
    low, high = np.quantile(residuals, [0.005, 0.995])
    reach = max(abs(low), abs(high)) or 1.0
    edges = np.linspace(-reach, reach, _BINS + 1)
    inside = residuals[(residuals >= -reach) & (residuals <= reach)]
    counts, _ = np.histogram(inside, edges)
    beyond = len(residuals) - len(inside)
    half, most = np.quantile(np.abs(residuals), [0.5, 0.9])
    caption = (
        f"How far predictions are off: the true value minus the predicted one. The dashed line is "
        f"0. Half of the rows are off by at most {metric_text(float(half))}, nine of ten by at "
        f"most {metric_text(float(most))}. A heap to the right of the line means that predictions "
        "are too low, to the left too high."
    )
    if beyond:
        caption += f" {beyond:,} rows beyond the ends are not shown."
    titles = [
        f"{metric_text(float(a))} to {metric_text(float(b))}: {count:,} rows"
        for a, b, count in zip(edges, edges[1:], counts, strict=False)
    ]
    mean = metric_text(float(residuals.mean()))
    label = f"Distribution of {len(residuals):,} residuals, mean {mean}."
    chart = (
        f'<div class="chart">{columns(counts / max(counts.max(), 1), titles, label, ("x", 0.5), 0)}'
        f'</div><div class="axis ends" aria-hidden="true"><span>{metric_text(-reach)}</span>'
        f"<span>0</span><span>{metric_text(reach)}</span></div>"
    )
    return html.card("Residuals", html.prose(caption), chart)
