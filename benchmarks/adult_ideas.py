"""What each idea gains on UCI Adult: the strongest config, one idea after the other taken back.

    python -m benchmarks.adult_ideas --seeds 5              # shows the table
    python -m benchmarks.adult_ideas --seeds 5 --publish    # writes it to results/ablations

Each line is without the ideas of the lines above it, so that the differences between neighbours are
what one idea gains on top of those below. What was measured is kept: a run that was cut off goes on
where it was. `python -m benchmarks.render_results` then writes docs/results.md anew.
"""

import argparse
import sys

from sparse_keras.evaluation.contenders import REFERENCE, Side, chosen
from sparse_keras.schema import load_config

CONFIG = "tabular/sparse_mlp_adult_ensemble"
# Name: what it is called, and the values that differ from the config.
IDEAS = {
    REFERENCE: ("as it is: tied members, embeddings of bins with ReLU", {}),
    "one_network": ("one network instead of an ensemble", {"ensemble": None}),
    "linear_embedding": (
        "embeddings without ReLU, beside a line (TabM's)",
        {"ensemble": None, "numeric_embedding": {"type": "piecewise_linear", "dim": 8}},
    ),
    "periodic_embedding": (
        "periodic embeddings, no bins",
        {"ensemble": None, "numeric_embedding": {"type": "periodic"}, "bins": "none"},
    ),
    "tree_bins": ("no embeddings: bins of a tree", {"ensemble": None, "numeric_embedding": None}),
    "quantile_bins": (
        "bins at quantiles",
        {"ensemble": None, "numeric_embedding": None, "bins": "quantile"},
    ),
    "no_bins": ("no bins", {"ensemble": None, "numeric_embedding": None, "bins": "none"}),
}


def sides():
    """The sides of the comparison, the whole config first."""
    return [Side(name, label, _changed(values)) for name, (label, values) in IDEAS.items()]


def _changed(changes):
    def make(config, data, recall):
        values = config.model_dump()
        for key, value in changes.items():
            values["data" if key == "bins" else "model"][key] = value
        if values["data"]["bins"] == "none":
            del values["data"]["max_bins"]  # It would have no effect.
        return type(config).model_validate(values).renamed(config.name)

    return make


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", help="some of the lines, with commas between")
    parser.add_argument("--publish", action="store_true", help="write results/ablations")
    args = parser.parse_args(arguments)

    from sparse_keras.evaluation.compare import measure
    from sparse_keras.evaluation.published import publish

    def progress(seed, side, result, kept):
        print(seed, side.name, result["metrics"], "kept" if kept else "", file=sys.stderr)

    some = chosen(sides(), args.only and args.only.split(","), "this study")
    comparison = measure(load_config(CONFIG), args.seeds, some, progress=progress)
    comparison.content["command"] = f"python -m benchmarks.adult_ideas --seeds {args.seeds}"
    print(comparison.to_markdown())
    if args.publish:
        print(f"published {publish(comparison, ablation=True)}")


if __name__ == "__main__":
    main()
