"""`sparse-keras show`: prints a resolved config, and where its values come from."""

import argparse
from typing import Any

from sparse_keras.cli.arguments import add_config, add_overrides, config_of
from sparse_keras.schema.showing import annotated_yaml

_EXAMPLES = """examples:
  sparse-keras show tabular/sparse_mlp_adult
  sparse-keras show tabular/sparse_mlp_adult --full --set model.router.k=1
  sparse-keras show churn.yaml > resolved.yaml
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "show",
        help="show a config, and where its values come from",
        description="Show a resolved config as YAML. Comments show where each value comes from: a "
        "line of a file, --set, or the default.",
        epilog=_EXAMPLES,
    )
    add_config(parser)
    add_overrides(parser)
    parser.add_argument("--full", action="store_true", help="also show values that are defaults")
    return parser


def run(args: argparse.Namespace) -> int:
    config = config_of(args)
    print(f"# {config.name}, hash {config.hash[:12]}")
    print(annotated_yaml(config, args.full), end="")
    return 0
