"""The tables and the picture of docs/language_models.md, from what was measured.

python -m benchmarks.language_models.page
"""

import json
import pathlib
import statistics

import numpy as np

from benchmarks import generation
from benchmarks.language_models.__main__ import RESULT
from sparse_keras.evaluation.statistics import paired_difference

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
PAGE, PICTURE = DOCS / "language_models.md", DOCS / "language_models.svg"
LABELS = {
    "moe": "sparse experts",
    "equal_flops": "dense, equal active FLOPs",
    "equal_params": "dense, equal parameters",
}
COLOURS = {"moe": "#2a6f97", "equal_flops": "#e07a3f", "equal_params": "#8a9299"}
LIBRARIES = {
    "transformers": "transformers, PyTorch",
    "keras_hub": "KerasHub",
    "keras_hub XLA": "KerasHub, XLA",
    "sparse_keras": "sparse_keras",
    "sparse_keras XLA": "sparse_keras, XLA",
}


def runs_of(content):
    """Returns the models with their runs, in the order of seeds."""
    return {
        name: [content["runs"][name][seed] for seed in sorted(content["runs"][name])]
        for name in LABELS
        if content["runs"].get(name)
    }


def steps_to_reach(run, loss):
    """The step at which the loss of validation reaches a value, between two measurements on the
    straight line; `None` if it does not."""
    steps, losses = run["steps"], run["val_loss"]
    for number, one in enumerate(losses):
        if one <= loss:
            if number == 0:
                return float(steps[0])
            fraction = (losses[number - 1] - loss) / (losses[number - 1] - one)
            return steps[number - 1] + fraction * (steps[number] - steps[number - 1])
    return None


def _mean_and_spread(values, digits):
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def _last(runs):
    return [run["val_loss"][-1] for run in runs]


def table(content):
    """The models, and the differences from the first one, as Markdown."""
    models = runs_of(content)
    count = len(next(iter(models.values())))
    lines = [
        f"| mean ± standard deviation over {count} seeds | parameters | active | MFLOPs a token | "
        "validation loss | test bits per byte | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in models.items():
        costs = runs[0]["costs"]
        lines.append(
            f"| {LABELS[name]} | {costs['params']:,} | {costs['active_params']:,} | "
            f"{costs['flops_per_token'] / 1e6:.3f} | {_mean_and_spread(_last(runs), 4)} | "
            f"{_mean_and_spread([run['test']['bits_per_byte'] for run in runs], 4)} | "
            f"{_mean_and_spread([run['cpu_seconds'][-1] for run in runs], 0)} |"
        )
    lines += ["", "| sparse experts beside | validation loss | steps to the same loss |"]
    lines.append("| --- | --- | --- |")
    ours = models["moe"]
    for name, runs in models.items():
        if name == "moe":
            continue
        found = paired_difference(_last(ours), _last(runs), higher_is_better=False)
        interval = ""
        if found["low"] is not None:
            interval = f" [{found['low']:+.4f}, {found['high']:+.4f}] {found['verdict']}"
        relative = statistics.fmean(
            one / other - 1 for one, other in zip(_last(ours), _last(runs), strict=True)
        )
        lines.append(
            f"| {LABELS[name]} | {found['mean']:+.4f}{interval} ({relative:+.1%}) | "
            f"{_steps(ours, runs)} |"
        )
    return "\n".join(lines) + "\n"


def _steps(ours, runs):
    """The share of the steps after which the model with experts has the other's last loss."""
    pairs = list(zip(ours, _last(runs), strict=True))
    reached = [steps_to_reach(run, loss) for run, loss in pairs]
    if None in reached:
        return "not reached"
    shares = [step / run["steps"][-1] for step, (run, _) in zip(reached, pairs, strict=True)]
    return f"{statistics.fmean(shares):.0%} of the steps"


def sentence(content):
    """What was measured, on what."""
    machine = content["machine"]
    return (
        f"`{content['config']}`: {content['data']}. {content['tokens_per_step']:,} tokens a step. "
        f"{machine['cores']} cores of an {machine['cpu']}, which did other work as well, so that "
        "seconds are those that processors worked.\n\n"
    )


def draw(content, path):
    """Draws the loss of validation against steps, FLOPs and seconds."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"svg.hashsalt": "sparse_keras", "font.size": 9, "figure.constrained_layout.use": True}
    )
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
    for name, runs in runs_of(content).items():
        losses = np.array([run["val_loss"] for run in runs])
        steps = np.array(runs[0]["steps"])
        # Three times the forward pass: the backward pass is about two of them.
        flops = 3 * runs[0]["costs"]["flops_per_token"] * content["tokens_per_step"] * steps
        seconds = np.array([run["cpu_seconds"] for run in runs]).mean(axis=0)
        for axis, x in zip(axes, (steps, flops / 1e12, seconds), strict=True):
            axis.plot(x, losses.mean(axis=0), color=COLOURS[name], label=LABELS[name])
            axis.fill_between(
                x, losses.min(axis=0), losses.max(axis=0), color=COLOURS[name], alpha=0.2, lw=0
            )
    best = min(min(run["val_loss"]) for runs in runs_of(content).values() for run in runs)
    labels = ("step", "TFLOPs of training", "CPU seconds of training")
    for axis, label in zip(axes, labels, strict=True):
        axis.set_xlabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(best - 0.05, best + 1.0)
    axes[0].set_ylabel("validation loss (nats a token)")
    axes[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _machine(content):
    machine = content["machine"]
    return f"{machine['cores']} cores of an {machine['cpu']}"


def generation_tables(content):
    """Tokens per second beside other libraries, and milliseconds beside dense layers."""
    lines = []
    if "libraries" in content:
        lines += [
            f"Tokens per second of all texts together: a Mixtral checkpoint of {generation.DEPTH} "
            f"blocks of width {generation.WIDTH}, of whose experts, {generation.HIDDEN} / "
            f"{generation.K} wide, each token uses {generation.K}. All libraries read the same "
            f"checkpoint and {_same_text(content['libraries']['cases'])}; "
            f"{_machine(content['libraries'])}, best of some rounds in turns.",
            "",
            f"| experts | texts | {' | '.join(LIBRARIES.values())} |",
            "| --- " * (2 + len(LIBRARIES)) + "|",
        ]
        for case in content["libraries"]["cases"]:
            speeds = (f"{case['tokens_per_second'][name]:,.0f}" for name in LIBRARIES)
            lines.append(f"| {case['experts']} | {case['batch']} | {' | '.join(speeds)} |")
        lines.append("")
    if "dense" in content:
        names = list(content["dense"]["cases"][0]["milliseconds"])
        titles = ["dense", *(name.replace("E=", "") + " experts" for name in names[1:])]
        lines += [
            "Milliseconds for a token of each text, beside a dense model of the width of the "
            f"experts that a token uses; {_machine(content['dense'])}. Texts whose tokens go to "
            "different experts read more weights than a dense layer has.",
            "",
            f"| texts | compiled by | {' | '.join(titles)} |",
            "| --- " * (2 + len(names)) + "|",
        ]
        for case in content["dense"]["cases"]:
            dense, *sparse = case["milliseconds"].values()
            cells = [f"{dense:.1f}", *(f"{one:.1f} ({one / dense:.2f} x)" for one in sparse)]
            compiler = "XLA" if case["xla"] else "TensorFlow"
            lines.append(f"| {case['batch']} | {compiler} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _same_text(cases):
    others = [same for case in cases for name, same in case["same_text"].items()]
    if all(others):
        return "generate the same tokens"
    return f"generate the same tokens in {sum(others)} of {len(others)} cases"


def written(content, speeds, text):
    """The page with these results."""
    text = _between(text, "results", sentence(content) + table(content))
    return _between(text, "generation", generation_tables(speeds))


def _between(text, name, results):
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    return text[: text.index(start)] + start + results + text[text.index(end) :]


def results():
    """Returns what was measured: of trainings, and of generation."""
    return (
        json.loads(RESULT.read_text(encoding="utf-8")),
        json.loads(generation.RESULT.read_text(encoding="utf-8"))
        if generation.RESULT.exists()
        else {},
    )


def main():
    content, speeds = results()
    PAGE.write_text(written(content, speeds, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw(content, PICTURE)


if __name__ == "__main__":
    main()
