"""`sparse-keras schema`: prints the keys of configs, for editors and for people."""

import argparse
from pathlib import Path
from typing import Any

from sparse_keras.cli.arguments import check_output
from sparse_keras.schema.json_schema import json_schema_text
from sparse_keras.schema.plugins import load_installed
from sparse_keras.schema.reference import reference

_EXAMPLES = """examples:
  sparse-keras schema > schema.json
  sparse-keras schema --import my_package.routers --output schema.json
  sparse-keras schema --markdown > keys.md
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "schema",
        help="print all keys of configs, for editors and for people",
        description="Print the JSON Schema of configs, including the keys of plug-ins. An editor "
        "with a YAML language server checks and completes configs that start with the line "
        "`# yaml-language-server: $schema=schema.json`.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--markdown", action="store_true", help="print tables in Markdown instead")
    parser.add_argument("--output", metavar="FILE", help="write to a file instead")
    return parser


def run(args: argparse.Namespace) -> int:
    if args.output:
        check_output(args.output)
    load_installed()
    text = reference() if args.markdown else json_schema_text()
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
