"""The tables of docs/upcycling.md, from what was measured.

python -m benchmarks.upcycling.page
"""

import json
import pathlib
import statistics

from benchmarks.upcycling.__main__ import RESULT
from sparse_keras.evaluation.statistics import paired_difference

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "upcycling.md"
_START, _END = "<!-- results -->\n", "<!-- end of results -->"
LABELS = {
    "continued": "the dense parent, trained on",
    "parts": "16 experts that are halves, k = 2",
    "copies": "8 experts that are copies, k = 2",
    "parts_clusters": "16 halves, routers from clusters (`examples`)",
    "copies_clusters": "8 copies, routers from clusters (`examples`)",
}
SHRUNK = {
    "copies": "8 experts, k = 2",
    "int8": '`quantize("int8")`',
    "int4": '`quantize("int4")`',
    "prune": "`prune_experts(keep=4)`",
    "merge": "`merge_experts(num_experts=4)`",
    "merge_unaligned": "`merge_experts(num_experts=4, align=False)`",
    "concatenate": "`dense_student()`",
    "one": '`dense_student(how="merge")`',
}


def _mean_and_spread(values, digits=4):
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def upcycled_table(content):
    """The models that went on from the parents, as Markdown."""
    runs = [content["runs"][seed] for seed in sorted(content["runs"])]
    lines = [
        f"| mean ± standard deviation over {len(runs)} seeds | parameters | MFLOPs a token | "
        "steps | loss at the start | loss at the end | beside the parent, by seed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    dense = [run["continued"]["val_loss"] for run in runs]
    for name, label in LABELS.items():
        of_name = [run[name] for run in runs]
        first = of_name[0]
        beside = ""
        losses = [one["val_loss"] for one in of_name]
        if name != "continued":
            found = paired_difference(losses, dense, higher_is_better=False)
            beside = f"{found['mean']:+.4f}"
            if found["low"] is not None:
                beside += f" [{found['low']:+.4f}, {found['high']:+.4f}] {found['verdict']}"
        lines.append(
            f"| {label} | {first['params']:,} | {first['flops_per_token'] / 1e6:.3f} | "
            f"{first['steps']} | {_mean_and_spread([one['start_loss'] for one in of_name])} | "
            f"{_mean_and_spread(losses)} | {beside} |"
        )
    return "\n".join(lines) + "\n"


def shrunk_table(content):
    """The smaller models, as Markdown."""
    lines = [
        "| the mixture of copies of the first seed | parameters | bytes | MFLOPs a token | "
        f"`predict` | loss | after {content['shrink_steps']} steps | after as many of "
        "distillation |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    whole = content["shrunk"]["prune"]["bytes"][0]
    first = content["shrunk"]["copies"]["predict_ms"]
    for name, label in SHRUNK.items():
        one = content["shrunk"][name]
        tuned = f"{one['tuned_loss']:.4f}" if "tuned_loss" in one else ""
        distilled = f"{one['distilled_loss']:.4f}" if "distilled_loss" in one else ""
        lines.append(
            f"| {label} | {one['params']:,} | {one.get('bytes', [0, whole])[1]:,} | "
            f"{one['flops_per_token'] / 1e6:.3f} | {one['predict_ms'] / first:.2f} | "
            f"{one['val_loss']:.4f} | {tuned} | {distilled} |"
        )
    return "\n".join(lines) + "\n"


def sentences(content):
    """What was measured, on what."""
    machine = content["machine"]
    return (
        f"A `causal_lm` of two blocks on {content['data']}. {content['tokens_per_step']:,} tokens "
        f"a step; the parent was trained for {content['parent_steps']} steps. All models of a seed "
        "go on from it with the same rows, the same schedule of the learning rate and a new "
        "optimizer, for as many FLOPs as the parent that is trained on. Losses are those of 40 "
        "batches of validation texts, in nats a token; times of `predict` are ratios to the "
        f"mixture's, measured in turns. {machine['cores']} cores of an {machine['cpu']}.\n\n"
    )


def written(content, text):
    """The page with these results."""
    tables = upcycled_table(content) + "\n" + shrunk_table(content)
    return (
        text[: text.index(_START)]
        + _START
        + sentences(content)
        + tables
        + (text[text.index(_END) :])
    )


def main():
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    PAGE.write_text(written(content, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
