"""`sparse-keras schema`: the JSON Schema of configs."""

from pathlib import Path

from sparse_keras.schema.json_schema import json_schema_text
from sparse_keras.schema.plugins import load_installed

_EXAMPLES = """examples:
  sparse-keras schema > schema.json
  sparse-keras schema --import my_package.routers --output schema.json
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of configs, for editors",
        description="Print the JSON Schema of configs, with the keys of plug-ins. An editor with a "
        "YAML language server checks and completes a config by it, once the file says "
        "`# yaml-language-server: $schema=schema.json`.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--output", metavar="FILE", help="write it to a file instead")
    return parser


def run(args):
    load_installed()
    text = json_schema_text()
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
