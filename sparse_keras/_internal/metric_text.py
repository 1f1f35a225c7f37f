"""Metrics as tables and sentences show them."""

import math


def metric_text(value: float | None) -> str:
    """A metric as people read it: four decimals, or five digits of a large number."""
    if value is None or not math.isfinite(value):
        return "undefined"
    if abs(value) >= 1e5:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:,.1f}"
    text = f"{value:.4f}"
    return text.removeprefix("-") if float(text) == 0 else text


def signed_text(value: float) -> str:
    """A difference of metrics, with its sign."""
    text = metric_text(value)
    return f"+{text}" if 0 < value < math.inf and text.strip("0.") else text
