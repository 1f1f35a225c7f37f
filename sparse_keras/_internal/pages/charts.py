"""Charts of pages: SVG shapes that stretch with the page, beside HTML text that does not."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_TICKS = 6
# The order of the kinds of series in a legend.
_IN_LEGEND = ("main", "solid", "dots", "other", "spot", "whiskers", "reference")
# Of a plot, in the units of its SVG, whose shape is that of its box on the page.
_SIZE = 1000


def columns(
    heights: Sequence[float],
    titles: Sequence[str],
    label: str,
    mark: tuple[str, float] | None = None,
    gap: float = 1.5,
) -> str:
    """Draws columns.

    Args:
        heights: Their heights, in [0, 1].
        titles: What a column shows when it is pointed at.
        label: What the chart says, for screen readers.
        mark: A dashed line: ("x" or "y", its place in [0, 1]).
        gap: Space between columns, of 10 for a column.
    """
    width = 10 * len(heights)
    parts = [
        f'<rect class="bar" x="{10 * n + gap / 2:g}" y="{100 * (1 - height):.2f}" '
        f'width="{10 - gap:g}" height="{100 * height:.2f}"><title>{html.escape(title)}</title>'
        "</rect>"
        for n, (height, title) in enumerate(zip(heights, titles, strict=True))
        if height > 0
    ]
    if mark is not None:
        direction, at = mark
        if direction == "y":
            y = f"{100 * (1 - at):.2f}"
            parts.append(f'<line class="mark" x1="0" x2="{width}" y1="{y}" y2="{y}"/>')
        else:
            x = f"{width * at:.2f}"
            parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="0" y2="100"/>')
    parts.append(f'<line class="floor" x1="0" x2="{width}" y1="100" y2="100"/>')
    return (
        f'<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(label)}">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class Series:
    """What a plot draws of some points.

    Attributes:
        x, y: The coordinates.
        kind: "main" or "other", lines; "reference", a dashed line; "dots", many small ones, which
            are translucent; "solid", few dots; "spot", one large dot that is pointed out; or
            "whiskers", from `y` to `y_to`.
        name: What the legend says; empty for no entry.
        y_to: The other ends of whiskers.
    """

    x: Sequence[float]
    y: Sequence[float]
    kind: str = "main"
    name: str = ""
    y_to: Sequence[float] = ()


@dataclass(frozen=True)
class Axis:
    """An axis of a plot.

    Attributes:
        low, high: Its ends.
        name: What it shows.
        percent: Whether its ticks are shares, shown in percent.
        whole: Whether its ticks are whole numbers.
    """

    low: float
    high: float
    name: str
    percent: bool = False
    whole: bool = False

    def place(self, value: float) -> float:
        """The place of a value, in [0, 1]; beyond an end, that end."""
        return min(max((value - self.low) / ((self.high - self.low) or 1.0), 0.0), 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values, and what is written at them."""
        span = self.high - self.low
        if not span > 0:
            return [(self.low, _tick(self.low, self.percent, 1.0))]
        rough = span / (_MOST_TICKS - 1)
        magnitude = 10 ** math.floor(math.log10(rough))
        step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * 0.999)
        step = max(step, 1.0) if self.whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(n * step, _tick(n * step, self.percent, step)) for n in range(first, last + 1)]


def _tick(value, percent, step):
    if percent:
        return f"{100 * value:.{0 if step >= 0.00999 else 1}f} %"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 4 or abs(value) >= 1e7:
        return f"{value:.3g}"
    return f"{value:,.{decimals}f}"


def axis_of(values: Sequence[float], name: str, **kwargs: bool) -> Axis:
    """An axis that holds all values, with a little space at its ends."""
    low, high = min(values), max(values)
    space = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    return Axis(low - space, high + space, name, **kwargs)


def plot(series: Sequence[Series], x: Axis, y: Axis, label: str, square: bool = False) -> str:
    """Draws series of points in a box with axes and, if any has a name, a legend.

    Args:
        series: A list of `Series`; later ones are drawn above.
        x, y: The axes.
        label: What the chart says, for screen readers.
        square: Whether the box is as high as wide, as where both axes have the same unit.
    """
    grid = [
        f'<line class="floor" x1="0" x2="{_SIZE}" y1="{_down(y, value)}" y2="{_down(y, value)}"/>'
        for value, _ in y.ticks()
    ] + [
        f'<line class="floor" x1="{_right(x, value)}" x2="{_right(x, value)}" y1="0" y2="{_SIZE}"/>'
        for value, _ in x.ticks()
    ]
    shapes = [_shape(one, x, y) for one in series]
    left = "".join(
        f'<span style="top:{100 * (1 - y.place(value)):.2f}%">{html.escape(tick)}</span>'
        for value, tick in y.ticks()
    )
    below = "".join(
        f'<span style="left:{100 * x.place(value):.2f}%">{html.escape(tick)}</span>'
        for value, tick in x.ticks()
    )
    # The longest tick, unseen, makes the column of the ticks as wide as it needs.
    longest = max((tick for _, tick in y.ticks()), key=len, default="")
    names = "".join(
        f'<span><i class="line {one.kind}"></i>{html.escape(one.name)}</span>'
        for one in sorted(series, key=lambda one: _IN_LEGEND.index(one.kind))
        if one.name
    )
    legend = f'<div class="legend">{names}</div>' if names else ""
    return (
        f'{legend}<div class="plot{" square" if square else ""}">'
        f'<div class="name">{html.escape(y.name)}</div>'
        f'<div class="left" aria-hidden="true"><b>{html.escape(longest)}</b>{left}</div>'
        f'<svg viewBox="0 0 {_SIZE} {_SIZE}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(label)}">{"".join(grid)}{"".join(shapes)}</svg>'
        f'<div class="below" aria-hidden="true">{below}</div>'
        f'<div class="name end">{html.escape(x.name)}</div></div>'
    )


def _right(axis, value):
    return f"{_SIZE * axis.place(value):.4g}"


def _down(axis, value):
    return f"{_SIZE * (1 - axis.place(value)):.4g}"


def _shape(series, x, y):
    points = [
        (_right(x, a), _down(y, b))
        for a, b in zip(series.x, series.y, strict=True)
        if math.isfinite(a) and math.isfinite(b)
    ]
    if series.kind in ("dots", "solid", "spot"):
        # A line of length 0 with round ends is a dot, however its plot is stretched.
        path = "".join(f"M{a} {b}h0" for a, b in points)
    elif series.kind == "whiskers":
        ends = [(_right(x, a), _down(y, b)) for a, b in zip(series.x, series.y_to, strict=True)]
        path = "".join(f"M{a} {b}V{end}" for (a, b), (_, end) in zip(points, ends, strict=True))
    else:
        path = "M" + "L".join(f"{a} {b}" for a, b in points)
    return f'<path class="{series.kind}" d="{path}"/>' if points else ""
