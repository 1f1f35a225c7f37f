"""`sparse-keras compare`: a config against its dense twins, gradient boosting, a linear model."""

import logging
import shlex
import sys
import warnings

from rich.console import Console
from rich.table import Table

from sparse_keras.cli.arguments import add_config, add_set, check_output
from sparse_keras.cli.quiet import start_backend
from sparse_keras.cli.routing_warnings import routing_warnings
from sparse_keras.evaluation.ablations import ablations_of
from sparse_keras.evaluation.contenders import sides_of
from sparse_keras.evaluation.published import check_publishable, publish
from sparse_keras.evaluation.tables import note, number, tables_of
from sparse_keras.schema import load_config

_EXAMPLES = """examples:
  sparse-keras compare churn.yaml --seeds 5
  sparse-keras compare tabular/sparse_mlp_adult --seeds 1 --only hgb,linear
  sparse-keras compare churn.yaml --output churn.json
  sparse-keras compare churn.yaml --ablate
"""
# What --seeds says.
_SEEDS = ("training.seed", "data.split_seed")


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "compare",
        help="compare a config with dense models, gradient boosting and a linear model",
        description="Train a config, its dense twins (of equal active FLOPs, equal parameters, "
        "equal seconds), gradient boosting and a linear model on the same splits, one for each "
        "seed; and show their test metrics, the differences in pairs, and what each costs. "
        "A comparison that was cut off goes on where it was.",
        epilog=_EXAMPLES,
    )
    add_config(parser)
    add_set(parser)
    parser.add_argument(
        "--seeds",
        type=int,
        default=5,
        metavar="N",
        help="number of seeds: of the split, and of the training (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        metavar="MODELS",
        help="the models to compare with, with commas between: equal_flops, equal_params, "
        "equal_seconds, single_task (of several targets), hgb, linear (default: all)",
    )
    parser.add_argument(
        "--ablate",
        action="store_true",
        help="compare the config with itself, one part changed: the number of experts, a router "
        "frozen as drawn at random, all experts equally weighted (experts_1, ..., experts_32, "
        "frozen_router, uniform)",
    )
    parser.add_argument(
        "--tune",
        type=int,
        default=0,
        metavar="N",
        help="try N settings of gradient boosting and of the linear model, by the validation rows "
        "of the first seed (default: their own settings)",
    )
    parser.add_argument("--output", metavar="FILE", help="write the results to a JSON file")
    parser.add_argument(
        "--fresh", action="store_true", help="measure again what earlier comparisons kept"
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        help="for maintainers: write the results of a shipped config to results/, from which the "
        "tables of the docs are made",
    )
    return parser


def run(args):
    config = _config(args)
    if args.tune < 0 or (args.tune and args.ablate):
        raise ValueError("--tune takes a number of settings, and no --ablate, without baselines.")
    names = args.only and args.only.split(",")
    sides = ablations_of(config, names) if args.ablate else sides_of(config, names, args.tune)
    if args.publish:
        check_publishable(config)
    if args.output:
        check_output(args.output)

    start_backend()
    from sparse_keras.evaluation.compare import check, measure

    check(config)
    # TensorFlow holds it to be strange that there are so many models.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Keras wonders about the softmax of a single expert, which is one of the ablations.
    warnings.filterwarnings("ignore", message="You are using a softmax over axis")
    progress = _Progress()
    try:
        with routing_warnings(progress.warn):
            comparison = measure(config, args.seeds, sides, args.tune, args.fresh, progress)
    except KeyboardInterrupt:
        if args.debug:
            raise
        print("interrupted; the same command goes on where it was", file=sys.stderr)
        return 1
    comparison.content["command"] = _command(args)
    _show(comparison.content)
    if args.output:
        comparison.save(args.output)
    if args.publish:
        print(f"\npublished {publish(comparison, ablation=args.ablate)}")
    return 0


def _config(args):
    for override in args.overrides:
        key = override.partition("=")[0].strip()
        if key in _SEEDS:
            raise ValueError(f"--set {override} has no effect: --seeds sets {key}.")
    return load_config(args.config, args.overrides)


class _Progress:
    """Tells each result on standard error, as it comes."""

    def __init__(self):
        self.console = Console(stderr=True, markup=False, highlight=False)
        self._warnings = []

    def warn(self, message):
        """Tells a warning, below the result of the training that it is of."""
        self._warnings.append(message)

    def __call__(self, seed, side, result, kept):
        metrics = "  ".join(
            f"{name} {'-' if value is None else number(value)}"
            for name, value in result["metrics"].items()
        )
        seconds = "kept" if kept else f"{result['costs']['fit_seconds']:.1f} s"
        told = f"seed {seed}  {side.name:<14}  {metrics}  {seconds}"
        self.console.print(told, soft_wrap=True)
        for message in self._warnings:
            self.console.print(f"warning: {message}")
        self._warnings = []


def _show(content):
    width = None if sys.stdout.isatty() else 200
    console = Console(markup=False, highlight=False, width=width)
    rows = content["data"]["rows"]
    told = ", ".join(f"{count:,} {part}" for part, count in rows.items())
    console.print(f"{content['config']}: {content['data']['name']}, {told} rows", soft_wrap=True)
    for head, lines in tables_of(content):
        table = Table(head[0], box=None, pad_edge=False)
        for name in head[1:]:
            table.add_column(name, justify="right")
        for line in lines:
            table.add_row(*line)
        console.print()
        console.print(table)
    console.print(f"\n{note(content)}")


def _command(args):
    parts = ["sparse-keras", "compare", args.config, "--seeds", str(args.seeds)]
    parts += [part for override in args.overrides for part in ("--set", override)]
    parts += ["--only", args.only] if args.only else []
    parts += ["--ablate"] if args.ablate else []
    parts += ["--tune", str(args.tune)] if args.tune else []
    parts += [part for module in args.imports for part in ("--import", module)]
    return shlex.join(parts)
