"""The tables and the picture of `loss_free_balance`, made of its result alone."""

import numpy as np

from benchmarks.studies import pages, paired

NAMES = {
    "nothing": "nothing",
    "loss_0.001": "auxiliary loss, weight 0.001",
    "loss_0.01": "auxiliary loss, weight 0.01",
    "bias_0.001": "selection bias, rate 0.001",
    "bias_0.01": "selection bias, rate 0.01",
}
BIASES = [name for name in NAMES if name.startswith("bias")]
LOSSES = [name for name in NAMES if name.startswith("loss")]


def losses(result, name):
    """Validation losses, `[S]`."""
    return np.array(result["runs"][name]["loss"])


def violations(result, name):
    """Mean over layers of the violation on all validation windows, `[S]`."""
    return np.mean(result["runs"][name]["violations"], axis=1)


def worst(result, name):
    """The worst layer's violation, `[S]`."""
    return np.max(result["runs"][name]["violations"], axis=1)


def in_training(result, name):
    """The worst layer's violation over the last steps of training together, `[S]`."""
    return np.array(result["runs"][name]["history"])[:, -1]


def last_steps(result):
    settings = result["settings"]
    return f"last {settings['steps'] // settings['epochs']} training steps"


def spread(values):
    """`mean ± standard deviation`."""
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def outcome_table(result):
    rows = [
        [name, *(spread(one(result, key)) for one in (violations, worst, in_training, losses))]
        for key, name in NAMES.items()
    ]
    head = ("balanced by", "load violation", "worst layer", f"worst layer, {last_steps(result)}")
    head += ("validation loss",)
    return pages.table(head, rows)


def pairs_table(result):
    rows = []
    for bias in BIASES:
        for other in ("nothing", *LOSSES):
            row = [f"{NAMES[bias]} − {NAMES[other]}"]
            for values in (violations, in_training, losses):
                ours, theirs = values(result, bias), values(result, other)
                lower = int((ours < theirs).sum())
                difference = pages.ranged(paired.interval(ours, theirs), sign=True)
                row.append(f"{difference}, lower in {lower} of {len(ours)}")
            rows.append(row)
    head = ("difference (95 %)", "load violation", f"worst layer, {last_steps(result)}")
    return pages.table((*head, "validation loss"), rows)


def setup_table(result):
    settings, provenance = result["settings"], result["provenance"]
    train, held_out, alphabet = settings["characters"]
    rows = [
        ["characters to train on, to validate on", f"{train:,}, {held_out:,}"],
        ["different characters", f"{alphabet}"],
        [
            "model",
            f"{settings['blocks']} blocks of width {settings['width']}, {settings['heads']} heads; "
            f"{result['parameters']:,} parameters",
        ],
        [
            "experts of a block",
            f"{settings['experts']} of {settings['hidden_dim']} hidden units, {settings['k']} "
            "for each character",
        ],
        [
            "training",
            f"Adam, learning rate {settings['learning_rate']:g} to 0 by a cosine, "
            f"{settings['steps']:,} steps of {settings['batch_size']} windows of "
            f"{settings['length']} characters",
        ],
        ["validation windows", f"{settings['validation_windows']:,}"],
        ["seeds", f"{result['seeds']}"],
        ["CPU time", f"{provenance['cpu_seconds']} s, {provenance['cpu']}"],
        ["versions", ", ".join(f"{k} {v}" for k, v in provenance["versions"].items())],
        ["command, date", f"`{provenance['command']}`, {provenance['date']}"],
    ]
    return pages.table(("", ""), rows)


def conclusion(result):
    """What the intervals say, in sentences, and the picture."""
    lines = []
    for bias in BIASES:
        for loss in LOSSES:
            found = [
                said(result, violations, bias, loss, "load violation"),
                said(
                    result,
                    in_training,
                    bias,
                    loss,
                    "the worst layer's in the " + last_steps(result),
                ),
                said(result, losses, bias, loss, "validation loss"),
            ]
            name = NAMES[bias][0].upper() + NAMES[bias][1:]
            lines.append(f"- {name}, compared with the {NAMES[loss]}: {'; '.join(found)}.")
    lines += ["", "![Load violation over steps; loss against violation](studies/PICTURE)"]
    return "\n".join(lines).replace("PICTURE", "loss_free_balance.svg")


def said(result, values, ours, theirs, what):
    """What the interval of a difference says."""
    ours, theirs = values(result, ours), values(result, theirs)
    difference = paired.interval(ours, theirs)
    if difference["low"] <= 0 <= difference["high"]:
        return f"{what} not significantly different ({np.mean(ours):.3f}, {np.mean(theirs):.3f})"
    way = "lower" if difference["high"] < 0 else "higher"
    return f"{what} {way} ({np.mean(ours):.3f} instead of {np.mean(theirs):.3f})"


BLOCKS = {
    "conclusion": conclusion,
    "outcome": outcome_table,
    "pairs": pairs_table,
    "setup": setup_table,
}


def draw(result, file):
    """The violation over training, and where each run ends."""
    from benchmarks.studies import plotting

    colours = dict(
        zip(
            NAMES,
            (plotting.GREY, plotting.GREEN, plotting.BLUE, plotting.PURPLE, plotting.ORANGE),
            strict=True,
        )
    )
    fig, axes = plotting.figure(1, 2, (9.6, 3.5), layout="constrained")
    left, right = axes[0]
    ends, settings = [], result["settings"]
    for key, name in NAMES.items():
        mean = np.mean(result["runs"][key]["history"], axis=0)
        steps = settings["steps"] / settings["epochs"] * np.arange(1, len(mean) + 1)
        left.plot(steps, mean, color=colours[key])
        ends.append((name.replace("auxiliary ", "").replace("selection ", ""), mean[-1]))
        right.scatter(violations(result, key), losses(result, key), s=18, color=colours[key], lw=0)
    left.set_yscale("log")
    plotting.numbers(left.yaxis, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5])
    left.set_xlim(0, settings["steps"])
    plotting.name_lines(
        left, [(*end, colour) for end, colour in zip(ends, colours.values(), strict=True)]
    )
    left.set_title("In training")
    left.set_xlabel("step")
    left.set_ylabel("load violation, worst layer")
    right.set_title("In the end, each seed")
    right.set_xscale("log")
    plotting.numbers(right.xaxis, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5])
    right.set_xlabel("load violation on validation windows")
    right.set_ylabel("validation loss (nats per character)")
    plotting.save(fig, file)
