"""`sparse-keras runs`: lists the runs in a folder."""

import argparse
import dataclasses
import json
import sys
from typing import Any

from rich.table import Table

from sparse_keras._internal.metric_text import metric_text
from sparse_keras.cli.output import console
from sparse_keras.training.runs.finding import OUTPUT
from sparse_keras.training.runs.listing import list_runs

_EXAMPLES = """examples:
  sparse-keras runs
  sparse-keras runs runs/churn
  sparse-keras runs --json
"""
_MOST_VALUES = 4  # that differ, in a line
_LONGEST_VALUE = 40


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "runs",
        help="list the runs in a folder",
        description="List the runs in a folder and below it, the newest first: the main test "
        "metric, the seconds of training, and the values of the config in which runs of the same "
        "config differ.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="DIR",
        default=OUTPUT,
        help="the folder that `train` was given (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    runs = list_runs(args.folder)
    if args.json:
        content = [dataclasses.asdict(run) | {"path": str(run.path)} for run in runs]
        print(json.dumps(content, indent=2))
        return 0
    if not runs:
        print(f"no runs in {args.folder!r}", file=sys.stderr)
        return 0
    table = Table("run", "started", "state", "test", box=None, pad_edge=False)
    table.add_column("seconds", justify="right")
    table.add_column("values that differ")
    table.columns[0].overflow = "fold"
    for run in runs:
        name, value = run.main_metric or ("-", None)
        table.add_row(
            str(run.path),
            run.started,
            run.state,
            f"{name} {metric_text(value)}" if run.main_metric else "-",
            "-" if run.seconds is None else f"{run.seconds:.1f}",
            run.problem or _differences(run.differences),
        )
    # In a pipe, each run is one line.
    console(width=250).print(table)
    return 0


def _differences(values):
    shown = [f"{key}={_short(value)}" for key, value in list(values.items())[:_MOST_VALUES]]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
