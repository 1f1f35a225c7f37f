"""The tables and the picture of `planted_regions`, made of its result alone."""

import numpy as np

from benchmarks.studies import pages, paired

NAMES = {
    "experts": "experts",
    "frozen_router": "experts, random router",
    "equal_flops": "dense, equal FLOPs",
    "equal_params": "dense, equal parameters",
    "boosting": "gradient boosting",
}
OTHERS = [name for name in NAMES if name != "experts"]


def errors(result, name):
    """Share of the target's variance left unexplained, `[strengths, S]`."""
    return np.array(result["errors"][name])


def comparisons(result):
    """`paired.compare` of the experts with each other model, at each strength."""
    ours = errors(result, "experts")
    return {
        name: [paired.compare(*pair) for pair in zip(ours, errors(result, name), strict=True)]
        for name in OTHERS
    }


def percents(values):
    return [f"{value:.0%}" for value in values]


def errors_table(result):
    rows = [
        [name, *(pages.ranged(paired.interval(one), 3) for one in errors(result, key))]
        for key, name in NAMES.items()
    ]
    return pages.table(("variance of regions", *percents(result["strengths"])), rows)


def pairs_table(result):
    rows = [
        [
            f"experts / {NAMES[key]}",
            *(f"{pages.ranged(one['ratio'], 2)}, {one['wins']} of {one['count']}" for one in found),
        ]
        for key, found in comparisons(result).items()
    ]
    return pages.table(("ratio (95 %), wins", *percents(result["strengths"])), rows)


def agreement_table(result):
    names = {"experts": "learned router", "frozen_router": "random router"}
    rows = [
        [
            name,
            *(pages.ranged(paired.interval(one), 2) for one in result["agreement"][key]),
        ]
        for key, name in names.items()
    ]
    return pages.table(("variance of regions", *percents(result["strengths"])), rows)


def setup_table(result):
    settings, provenance = result["settings"], result["provenance"]
    train, validation, test = settings["rows"]
    rows = [
        ["rows to train, validate, test", f"{train:,}, {validation:,}, {test:,}"],
        ["features, regions", f"{settings['dim']}, {settings['regions']}"],
        ["noise, the least possible error", f"{settings['noise_variance']:g}"],
        [
            "training of networks",
            f"Adam, learning rate {settings['learning_rate']:g} to 0 by a cosine, "
            f"{settings['epochs']} epochs of batches of {settings['batch_size']}",
        ],
        [
            "experts",
            f"{settings['experts']} of {settings['hidden_dim']} hidden units, "
            f"{settings['k']} for each row, behind a stem of {settings['stem']}",
        ],
    ]
    for name, cost in result["costs"].items():
        width = f", {cost['hidden_dim']} hidden units" if cost["hidden_dim"] else ""
        text = f"{cost['parameters']:,} parameters, {cost['flops']:,} FLOPs{width}"
        rows.append([NAMES[name], text])
    rows += [
        ["seeds", f"{result['seeds']}"],
        ["CPU time", f"{provenance['cpu_seconds']} s, {provenance['cpu']}"],
        ["versions", ", ".join(f"{k} {v}" for k, v in provenance["versions"].items())],
        ["command, date", f"`{provenance['command']}`, {provenance['date']}"],
    ]
    return pages.table(("", ""), rows)


def conclusion(result):
    """What the intervals say, in sentences, and the picture."""
    found = comparisons(result)
    lines = []
    for number, where in ((-1, "With regions alone"), (0, "Without regions")):
        parts = []
        for name in ("equal_flops", "equal_params"):
            ratio = found[name][number]["ratio"]
            if ratio["high"] < 1:
                comparison = f"{1 - ratio['mean']:.0%} lower than"
            elif ratio["low"] > 1:
                comparison = f"{ratio['mean'] - 1:.0%} higher than"
            else:
                comparison = "not significantly different from"
            parts.append(f"{comparison} that of the {NAMES[name]} network")
        lines.append(f"- {where}, the error of experts is {', and '.join(parts)}.")
    learned, random = (
        np.mean(result["agreement"][name][-1]) for name in ("experts", "frozen_router")
    )
    lines.append(
        f"- With regions alone, the adjusted mutual information of experts and regions is "
        f"{learned:.2f} (random router: {random:.2f})."
    )
    picture = "studies/planted_regions.svg"
    lines += ["", f"![Errors, ratios to dense baselines, what the router learned]({picture})"]
    return "\n".join(lines)


BLOCKS = {
    "conclusion": conclusion,
    "errors": errors_table,
    "pairs": pairs_table,
    "agreement": agreement_table,
    "setup": setup_table,
}


def draw(result, file):
    """Errors, paired ratios and the routers' agreement with the regions, over the strength."""
    from benchmarks.studies import plotting

    colours = {
        "experts": plotting.ORANGE,
        "frozen_router": plotting.PURPLE,
        "equal_flops": plotting.BLUE,
        "equal_params": plotting.GREEN,
        "boosting": plotting.GREY,
    }
    strengths = 100 * np.array(result["strengths"])
    fig, axes = plotting.figure(1, 3, (9.6, 3.5), layout="constrained")
    left, middle, right = axes[0]

    def line(axis, values, colour, name):
        found = [paired.interval(one) for one in values]
        mean, low, high = ([one[key] for one in found] for key in ("mean", "low", "high"))
        _points(axis, strengths, mean, low, high, colour)
        return name, mean[-1], colour

    ends = [line(left, errors(result, key), colours[key], NAMES[key]) for key in NAMES]
    left.set_yscale("log")
    floor = result["settings"]["noise_variance"] / (1 + result["settings"]["noise_variance"])
    left.axhline(floor, color=plotting.GREY, lw=0.8, ls=(0, (2, 2)))
    left.text(0, floor * 1.04, "noise", size=7.5, color=plotting.GREY, va="bottom")
    plotting.numbers(left.yaxis, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    left.set_ylim(floor * 0.9, 1.1)
    plotting.name_lines(left, ends)
    left.set_title("Error")
    left.set_ylabel("variance left unexplained")

    ends, compared = [], comparisons(result)
    for key in ("equal_flops", "equal_params"):
        ratio = [one["ratio"] for one in compared[key]]
        mean, low, high = ([one[name] for one in ratio] for name in ("mean", "low", "high"))
        _points(middle, strengths, mean, low, high, colours[key])
        ends.append((NAMES[key].replace("dense, ", ""), mean[-1], colours[key]))
    middle.set_yscale("log")
    middle.axhline(1.0, color=plotting.GREY, lw=0.8)
    plotting.numbers(middle.yaxis, [0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0])
    plotting.name_lines(middle, ends)
    middle.set_title("Experts over a dense twin")
    middle.set_ylabel("ratio of errors; below 1, experts win")

    names = {"experts": "learned", "frozen_router": "random"}
    ends = [line(right, result["agreement"][key], colours[key], names[key]) for key in names]
    right.set_ylim(0, 1)
    plotting.name_lines(right, ends)
    right.set_title("Router")
    right.set_ylabel("agreement with regions (AMI)")
    for axis in axes[0]:
        axis.set_xlabel("variance from regions (%)")
        axis.set_xticks(strengths)
    plotting.save(fig, file)


def _points(axis, x, mean, low, high, colour):
    axis.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    axis.plot(x, mean, color=colour, marker="o", ms=3.5)
