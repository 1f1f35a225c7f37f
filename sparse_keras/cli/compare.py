"""`sparse-keras compare`: compares a config with dense baselines and with other methods."""

import argparse
import logging
import shlex
import sys
import warnings
from typing import Any

from rich.table import Table

from sparse_keras.cli.arguments import add_config, add_set, check_output
from sparse_keras.cli.output import console
from sparse_keras.cli.quiet import start_backend
from sparse_keras.cli.routing_warnings import routing_warnings
from sparse_keras.evaluation.ablations import ablations_of
from sparse_keras.evaluation.contenders import check_comparable
from sparse_keras.evaluation.published import check_publishable, publish
from sparse_keras.evaluation.standard_contenders import contenders_of
from sparse_keras.evaluation.tables import note, number, tables_of
from sparse_keras.schema import load_config

_EXAMPLES = """examples:
  sparse-keras compare churn.yaml --seeds 5
  sparse-keras compare tabular/sparse_mlp_adult --seeds 1 --only hgb,linear
  sparse-keras compare churn.yaml --output churn.json
  sparse-keras compare churn.yaml --ablate
"""
# What --seeds says.
SEEDS = ("training.seed", "data.split_seed")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "compare",
        help="compare a config with dense models, gradient boosting and a linear model",
        description="Train a config, dense baselines (of equal active FLOPs, equal parameters, "
        "equal seconds), gradient boosting and a linear model on the same splits, one per seed. "
        "Print their test metrics, the differences paired by seed, and what each model costs. "
        "An interrupted comparison continues where it stopped.",
        epilog=_EXAMPLES,
    )
    add_config(parser)
    add_set(parser)
    parser.add_argument(
        "--seeds",
        type=int,
        default=5,
        metavar="N",
        help="number of seeds, each for the split and the training (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        metavar="MODELS",
        help="the models to compare with, separated by commas: equal_flops, equal_params, "
        "equal_seconds, single_task (several targets only), hgb, linear, linear_svc (texts only) "
        "(default: all)",
    )
    parser.add_argument(
        "--ablate",
        action="store_true",
        help="compare the config with variants of itself: other numbers of experts, a router "
        "frozen at its random initialization, all experts equally weighted (experts_1, ..., "
        "experts_32, frozen_router, uniform)",
    )
    parser.add_argument(
        "--tune",
        type=int,
        default=0,
        metavar="N",
        help="try N settings each of gradient boosting and the linear model, by the validation "
        "rows of the first seed (default: fixed settings)",
    )
    parser.add_argument("--output", metavar="FILE", help="write the results to a JSON file")
    parser.add_argument(
        "--fresh", action="store_true", help="measure again instead of using cached results"
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        help="for maintainers: write the results of a shipped config to results/, from which the "
        "tables in the docs are rendered",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    config = _config(args)
    if args.tune < 0 or (args.tune and args.ablate):
        raise ValueError(
            "--tune takes a number of settings, at least 0. It cannot be combined with --ablate, "
            "which has no baselines."
        )
    check_comparable(config)
    names = args.only and args.only.split(",")
    if args.ablate:
        contenders = ablations_of(config, names)
    else:
        contenders = contenders_of(config, names, args.tune)
    if args.publish:
        check_publishable(config)
    if args.output:
        check_output(args.output)

    start_backend()
    from sparse_keras.evaluation.compare import measure_contenders

    # TensorFlow warns of retracing when many models are trained.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Keras warns of the softmax over a single expert, which is one of the ablations.
    warnings.filterwarnings("ignore", message="You are using a softmax over axis")
    progress = _Progress()
    try:
        with routing_warnings(progress.warn):
            comparison = measure_contenders(
                config, args.seeds, contenders, args.tune, args.fresh, progress
            )
    except KeyboardInterrupt:
        if args.debug:
            raise
        print("interrupted; the same command continues where it stopped", file=sys.stderr)
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
        if key in SEEDS:
            raise ValueError(f"--set {override} has no effect: --seeds sets {key}.")
    return load_config(args.config, args.overrides)


class _Progress:
    """Prints each result to standard error as it is measured."""

    def __init__(self):
        self.console = console(stderr=True)
        self._warnings = []

    def warn(self, message):
        """Prints a warning below the result of the training that it belongs to."""
        self._warnings.append(message)

    def __call__(self, seed, contender, result, cached):
        metrics = "  ".join(
            f"{name} {'-' if value is None else number(value)}"
            for name, value in result["metrics"].items()
        )
        seconds = "cached" if cached else f"{result['costs']['fit_seconds']:.1f} s"
        line = f"seed {seed}  {contender.name:<14}  {metrics}  {seconds}  ({contender.label})"
        self.console.print(line, soft_wrap=True)
        for message in self._warnings:
            self.console.print(f"warning: {message}")
        self._warnings = []


def _show(content):
    screen = console(width=200)
    rows = content["data"]["rows"]
    counts = ", ".join(f"{count:,} {part}" for part, count in rows.items())
    screen.print(f"{content['config']}: {content['data']['name']}, {counts} rows", soft_wrap=True)
    for head, lines in tables_of(content):
        table = Table(head[0], box=None, pad_edge=False)
        for name in head[1:]:
            table.add_column(name, justify="right")
        for line in lines:
            table.add_row(*line)
        screen.print()
        screen.print(table)
    screen.print(f"\n{note(content)}")


def _command(args):
    parts = ["sparse-keras", "compare", args.config, "--seeds", str(args.seeds)]
    parts += [part for override in args.overrides for part in ("--set", override)]
    parts += ["--only", args.only] if args.only else []
    parts += ["--ablate"] if args.ablate else []
    parts += ["--tune", str(args.tune)] if args.tune else []
    parts += [part for module in args.imports for part in ("--import", module)]
    return shlex.join(parts)
