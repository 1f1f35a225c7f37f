"""The table of fine-tuned encoders in docs/upcycling.md, from what was measured.

python -m benchmarks.encoders.page
"""

import json
import pathlib
import statistics

from benchmarks.encoders.__main__ import METRICS, RESULT
from sparse_keras.evaluation.statistics import paired_difference

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "upcycling.md"
_START, _END = "<!-- encoders -->\n", "<!-- end of encoders -->"
LABELS = {
    "dense": "all-MiniLM-L6-v2",
    "upcycled": "upcycled: 8 experts that are halves in its last 2 blocks, k = 2",
    "scratch": "as upcycled, from random weights",
}


def _mean_and_spread(values):
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{spread}"


def _beside(runs, name):
    """The difference of accuracy to the dense encoder, seed by seed."""
    if name == "dense":
        return ""
    pairs = [[run[one]["test"]["accuracy"] for run in runs] for one in (name, "dense")]
    found = paired_difference(*pairs, higher_is_better=True)
    said = f"{found['mean']:+.4f}"
    if found["low"] is not None:
        said += f" [{found['low']:+.4f}, {found['high']:+.4f}] {found['verdict']}"
    return said


def table(content, data_set):
    """The models on a data set, as Markdown: each by the seeds for which the dense one is there."""
    runs = [run for _, run in sorted(content["runs"][data_set].items()) if "dense" in run]
    lines = [
        f"| `{data_set}` | seeds | parameters | MFLOPs a token | test accuracy | "
        "balanced accuracy | log loss | accuracy beside the dense one, by seed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, label in LABELS.items():
        of_name = [run for run in runs if name in run]
        if not of_name:
            continue
        first = of_name[0][name]
        scores = [_mean_and_spread([run[name]["test"][one] for run in of_name]) for one in METRICS]
        lines.append(
            f"| {label} | {len(of_name)} | {first['params']:,} | "
            f"{first['flops_per_token'] / 1e6:.1f} | {' | '.join(scores)} | "
            f"{_beside(of_name, name)} |"
        )
    baseline = content["baseline"][data_set]
    scores = " | ".join(f"{baseline[one]:.4f}" for one in METRICS)
    lines.append(f"| linear SVC on TF-IDF of whole texts | | | | {scores} | |")
    return "\n".join(lines) + "\n"


def sentences(content):
    """What was measured, on what."""
    settings, machine = content["settings"], content["machine"]
    data = "; ".join(text.split(";")[0] for text in content["data"].values())
    return (
        f"{data}. Texts are cut after {settings['max_length']} tokens. {settings['steps']} steps "
        f"of {settings['batch_size']} texts, AdamW with a peak learning rate of "
        f"{settings['learning_rate']:g}, from random weights "
        f"{settings['scratch_learning_rate']:g}. All models of a seed get the same texts in the "
        f"same order. {machine['cores']} cores of an {machine['cpu']}.\n\n"
    )


def written(content, text):
    """The page with these results; `None` if nothing was measured."""
    if content is None:
        found = "Not measured yet.\n"
    else:
        tables = (table(content, name) for name in content["runs"])
        found = sentences(content) + "\n".join(tables)
    return text[: text.index(_START)] + _START + found + text[text.index(_END) :]


def result():
    """What was measured, or `None`."""
    return json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else None


def main():
    PAGE.write_text(written(result(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
