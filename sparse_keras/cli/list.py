"""`sparse-keras list`: lists the shipped configs."""

import argparse
import sys
from typing import Any

from rich.table import Table

from sparse_keras.cli.output import console
from sparse_keras.schema import list_configs
from sparse_keras.schema.zoo import nearest_names

_EXAMPLES = """examples:
  sparse-keras list
  sparse-keras list adult
  sparse-keras list 'tabular/*'
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "list",
        help="list the shipped configs",
        description="List the shipped configs.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "pattern",
        nargs="?",
        metavar="PATTERN",
        help="a name with the wildcards * and ?, or a part of a name (default: all)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    entries = list_configs(args.pattern)
    if not entries:
        names = ", ".join(nearest_names(args.pattern))
        print(f"no config matches {args.pattern!r}; the closest are: {names}", file=sys.stderr)
        return 2
    table = Table("name", "description", "model", "data", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for entry in entries:
        table.add_row(entry.name, entry.description, entry.model, entry.data or "-")
    # In a pipe, each config is one line, whatever its length.
    console(width=200).print(table)
    return 0
