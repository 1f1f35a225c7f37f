"""How the studies' pictures look: one font, few lines, colours that the colour-blind tell apart.

Lines are named beside them, not in a legend, in the colour of the line.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

INK, GREY = "#222222", "#767676"
# Of Okabe and Ito's palette, those with enough contrast on white.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#00795B", "#A2457F"

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sparse_keras",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "path.simplify_threshold": 0.5,
}


def figure(rows, columns, size, **options):
    """`plt.subplots` in the studies' style."""
    matplotlib.rcParams.update(STYLE)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def numbers(axis, values):
    """Ticks at some values of a logarithmic axis, written as plain numbers."""
    axis.set_major_locator(matplotlib.ticker.FixedLocator(values))
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(matplotlib.ticker.NullLocator())


def name_lines(axis, ends, gap=0.075):
    """Names lines right of where they end, moved apart where they would overlap.

    Args:
        axis: The axes, its limits set.
        ends: List of `(name, y, colour)`.
        gap: Least distance of two names, as a share of the height.
    """
    to_share = axis.transAxes.inverted()
    x = axis.get_xlim()[1]
    places = sorted(
        (float(to_share.transform(axis.transData.transform((x, y)))[1]), name, colour)
        for name, y, colour in ends
    )
    last = -1.0
    for share, name, colour in places:
        last = max(share, last + gap)
        axis.text(1.02, last, name, color=colour, size=8, va="center", transform=axis.transAxes)


def save(fig, file):
    """Writes an SVG without a date, so that equal numbers give an equal file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(file, metadata={"Date": None, "Creator": None})
    plt.close(fig)
    text = file.read_text(encoding="utf-8")
    # Readers of the page may have none of the fonts named; all have a sans-serif.
    lines = (line.rstrip() for line in text.splitlines())
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
