"""What each idea gains on UCI Adult: the strongest config, with one idea after the other removed.

    python -m benchmarks.adult_ideas --seeds 5              # shows the table
    python -m benchmarks.adult_ideas --seeds 5 --publish    # writes it to results/ablations

Each row lacks the ideas of the rows above it, so that the difference between neighbours is what one
idea gains on top of those below. Results are cached: an interrupted run continues where it stopped.
 `python -m benchmarks.render_results` then writes docs/results.md anew.
"""

import argparse
import sys

from sparse_keras.evaluation.contenders import REFERENCE, Contender, select
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


def contenders():
    """The contenders of the comparison, the whole config first."""
    return [Contender(name, label, _changed(values)) for name, (label, values) in IDEAS.items()]


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
    parser.add_argument("--only", help="names of rows, separated by commas")
    parser.add_argument("--publish", action="store_true", help="write results/ablations")
    args = parser.parse_args(arguments)

    from sparse_keras.evaluation.compare import measure_contenders
    from sparse_keras.evaluation.published import publish

    def progress(seed, contender, result, cached):
        print(seed, contender.name, result["metrics"], "cached" * cached, file=sys.stderr)

    selected = select(contenders(), args.only and args.only.split(","), "this study")
    comparison = measure_contenders(load_config(CONFIG), args.seeds, selected, progress=progress)
    comparison.content["command"] = f"python -m benchmarks.adult_ideas --seeds {args.seeds}"
    print(comparison.to_markdown())
    if args.publish:
        print(f"published {publish(comparison, ablation=True)}")


if __name__ == "__main__":
    main()
