"""The tables and the picture of `mmoe_synthetic`, made of its result alone."""

import itertools

import numpy as np

from benchmarks.studies import pages, paired

NAMES = {
    "shared_bottom": "shared bottom",
    "omoe": "one gate (OMoE)",
    "mmoe": "a gate per task (MMoE)",
}
SHORT = {"shared_bottom": "shared bottom", "omoe": "one gate", "mmoe": "gate per task"}
PAIRS = (("omoe", "shared_bottom"), ("mmoe", "shared_bottom"), ("mmoe", "omoe"))


def final(result, kind):
    """Test losses after the last step, `[P, S]`."""
    return np.array(result["final"][kind])


def comparisons(result):
    """`paired.compare` of each pair and correlation, `holm_p` of all the t tests among it."""
    found = {
        (pair, number): paired.compare(*(final(result, kind)[number] for kind in pair))
        for pair, number in itertools.product(PAIRS, range(len(result["correlations"])))
    }
    corrected = paired.holm([one["t_p"] for one in found.values()])
    return {
        key: {**one, "holm_p": p} for (key, one), p in zip(found.items(), corrected, strict=True)
    }


def losses_table(result):
    rows = []
    for kind, name in NAMES.items():
        for number, correlation in enumerate(result["correlations"]):
            values = final(result, kind)[number]
            low, median, high = np.percentile(values, (25, 50, 75))
            mean = paired.interval(values)
            rows.append(
                [
                    f"{name}",
                    f"{correlation:g}",
                    pages.ranged(mean),
                    f"{median:.4f}",
                    f"{low:.4f} to {high:.4f}",
                    f"{np.std(values, ddof=1):.4f}",
                    f"{values.min():.4f}",
                ]
            )
    head = ("model", "p", "mean test loss (95 %)", "median", "quartiles", "std", "best")
    return pages.table(head, rows)


def pairs_table(result):
    rows = []
    for ((ours, theirs), number), found in comparisons(result).items():
        rows.append(
            [
                f"{SHORT[ours]} / {SHORT[theirs]}",
                f"{result['correlations'][number]:g}",
                pages.ranged(found["ratio"], 3),
                pages.ranged(found["difference"], 4, sign=True),
                pages.ranged(found["effect"], 2, sign=True),
                f"{found['wins']} of {found['count']}",
                pages.probability(found["t_p"]),
                pages.probability(found["holm_p"]),
                pages.probability(found["wilcoxon_p"]),
            ]
        )
    head = (
        "pair",
        "p",
        "ratio (95 %)",
        "difference (95 %)",
        "effect d (95 %)",
        "wins",
        "t test",
        "Holm",
        "Wilcoxon",
    )
    return pages.table(head, rows)


def rise(result):
    """How much the loss rises from the highest correlation to the lowest, per model."""
    return {kind: paired.compare(final(result, kind)[0], final(result, kind)[-1]) for kind in NAMES}


def sensitivity_table(result):
    """What less related tasks cost each model, on the same seeds."""
    rows = [
        [
            NAMES[kind],
            pages.ranged(found["ratio"], 3),
            pages.ranged(found["difference"], 4, sign=True),
            pages.probability(found["t_p"]),
        ]
        for kind, found in rise(result).items()
    ]
    low, high = result["correlations"][0], result["correlations"][-1]
    head = ("model", f"loss at p = {low:g} / at {high:g} (95 %)", "difference (95 %)", "t test")
    return pages.table(head, rows)


def rates_table(result):
    """Geometric means of the losses at other learning rates, on other seeds."""
    rates = sorted(result["other_rates"], key=float)
    if not rates:
        return "(Not measured.)"
    rows = [
        [NAMES[kind], f"{correlation:g}"]
        + [
            f"{np.exp(np.mean(np.log(result['other_rates'][rate][kind][number]))):.4f}"
            for rate in rates
        ]
        for kind in NAMES
        for number, correlation in enumerate(result["correlations"])
    ]
    return pages.table(("model", "p", *rates), rows)


def setup_table(result):
    settings, provenance = result["settings"], result["provenance"]
    parameters = ", ".join(f"{SHORT[k]} {n:,}" for k, n in result["parameters"].items())
    pearson = ", ".join(f"{value:.2f}" for value in result["label_correlations"])
    cosines = ", ".join(f"{value:g}" for value in result["correlations"])
    rows = [
        ["seeds", f"{result['seeds']}"],
        ["steps, each of a fresh batch", f"{settings['steps']}, {settings['batch_size']} rows"],
        ["optimizer", f"Adam, learning rate {settings['learning_rate']:g}, for all models"],
        ["test rows of a seed", f"{settings['test_rows']}"],
        ["variance of the noise, the least possible loss", f"{settings['noise_variance']:g}"],
        ["parameters", parameters],
        ["p, the cosine of the tasks' directions", cosines],
        ["mean Pearson correlation of the tasks' values", pearson],
        ["CPU time", f"{provenance['cpu_seconds']} s, {provenance['cpu']}"],
        ["versions", ", ".join(f"{k} {v}" for k, v in provenance["versions"].items())],
        ["command, date", f"`{provenance['command']}`, {provenance['date']}"],
    ]
    return pages.table(("", ""), rows)


TIE = "not significantly different"


def verdict(ratio, better, worse, between):
    """Returns the one of three phrases that the interval of a ratio supports."""
    if ratio["high"] < 1.0:
        return better
    return worse if ratio["low"] > 1.0 else between


def conclusion(result):
    """What the intervals say, in sentences, and the picture."""
    found = comparisons(result)
    lines = []
    for pair in PAIRS:
        ours, theirs = (SHORT[kind] for kind in pair)
        parts = []
        for number, correlation in enumerate(result["correlations"]):
            ratio = found[pair, number]["ratio"]
            word = verdict(ratio, "lower", "higher", TIE)
            percent = f" by {abs(1 - ratio['mean']):.0%}" if word != TIE else ""
            parts.append(f"{word}{percent} at p = {correlation:g}")
        lines.append(f"- Loss of {ours} against {theirs}: {', '.join(parts)}.")
    of_rise = {SHORT[kind]: one["ratio"] for kind, one in rise(result).items()}
    parts = [
        f"{name} {ratio['mean'] - 1:+.0%} ({ratio['low'] - 1:+.0%} to {ratio['high'] - 1:+.0%})"
        for name, ratio in of_rise.items()
    ]
    low, high = result["correlations"][0], result["correlations"][-1]
    lines.append(f"- From p = {high:g} to {low:g} the loss changes: {', '.join(parts)}.")
    lines += ["", "![Test losses over steps, and of all seeds](studies/mmoe_synthetic.svg)"]
    return "\n".join(lines)


BLOCKS = {
    "conclusion": conclusion,
    "losses": losses_table,
    "pairs": pairs_table,
    "sensitivity": sensitivity_table,
    "rates": rates_table,
    "setup": setup_table,
}


def draw(result, file):
    """Curves as in the paper, the losses of all seeds, and the ratios of pairs."""
    from benchmarks.studies import plotting

    colours = dict(zip(NAMES, (plotting.GREEN, plotting.BLUE, plotting.ORANGE), strict=True))
    correlations, steps = result["correlations"], np.array(result["curves"]["steps"])
    fig, axes = plotting.figure(
        2, len(correlations), (7.6, 5.2), sharey="row", layout="constrained"
    )
    shown = steps >= min(200, steps[-1])
    for number, correlation in enumerate(correlations):
        curves, spread = axes[0, number], axes[1, number]
        curves.set_title(f"tasks of cosine p = {correlation:g}")
        for kind, colour in colours.items():
            curve = result["curves"][kind]
            mean, half = (np.array(curve[name][number]) for name in ("mean", "half_width"))
            curves.plot(steps[shown], mean[shown], color=colour)
            low = np.maximum(mean - half, result["settings"]["noise_variance"])
            curves.fill_between(
                steps[shown], low[shown], (mean + half)[shown], color=colour, alpha=0.15, lw=0
            )
            values = np.sort(final(result, kind)[number])
            share = np.arange(1, len(values) + 1) / len(values)
            spread.step(values, share, where="post", color=colour)
        floor = result["settings"]["noise_variance"]
        curves.axhline(floor, color=plotting.GREY, lw=0.8, ls=(0, (2, 2)))
        spread.axvline(floor, color=plotting.GREY, lw=0.8, ls=(0, (2, 2)))
        curves.set_yscale("log")
        spread.set_xscale("log")
        curves.set_xlabel("step")
        spread.set_xlabel("test loss after the last step")
        if steps[-1] >= 1000:
            curves.set_xticks([0, 1000, 2000, 3000, 4000])
            plotting.numbers(curves.yaxis, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
            curves.set_ylim(0.009, 0.5)
            plotting.numbers(spread.xaxis, [0.01, 0.02, 0.05, 0.1])
            spread.set_xlim(0.0095, 0.12)
    axes[0, 0].set_ylabel("mean test loss (MSE)")
    axes[1, 0].set_ylabel("share of seeds at or below")
    for row, (x, y, step) in enumerate(((0.97, 0.95, 0.1), (0.97, 0.32, 0.1))):
        for position, (kind, colour) in enumerate(colours.items()):
            axes[row, 0].text(
                x,
                y - step * position,
                SHORT[kind],
                color=colour,
                ha="right",
                va="top",
                transform=axes[row, 0].transAxes,
                weight="bold",
                size=8,
            )
    axes[0, -1].annotate(
        "variance of the noise",
        (0.97, floor),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        size=7.5,
        color=plotting.GREY,
    )
    plotting.save(fig, file)
