"""`sparse-keras copy`: copies a shipped config into a file of your own."""

import argparse
import os
import re
import shlex
from pathlib import Path
from typing import Any

from sparse_keras.schema import ConfigError
from sparse_keras.schema.json_schema import modeline
from sparse_keras.schema.zoo import is_config_path, locate

_EXAMPLES = """examples:
  sparse-keras copy tabular/sparse_mlp_adult
  sparse-keras copy tabular/sparse_mlp_adult my_adult.yaml
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "copy",
        help="copy a shipped config, to edit it",
        description="Copy a shipped config into a file of your own. Existing files are not "
        "overwritten.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("config", metavar="CONFIG", help="a name from `sparse-keras list`")
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="the new file, ending in .yaml or .yml (default: the last part of the name)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    name, source = locate(args.config)
    target = Path(args.file or f"{name.rpartition('/')[2]}.yaml")
    if not is_config_path(target):
        raise ConfigError(f"{target}: the name of a config file must end in .yaml or .yml")
    text = _own(source.read_text(encoding="utf-8"), name, os.fspath(target))
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{target} exists already; nothing was written") from None
    print(f"wrote {target}\ntrain it with: sparse-keras train {shlex.quote(str(target))}")
    return 0


def _own(text, name, target):
    """Returns the text, with commands in the header for the new file and the schema's path."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("# yaml-language-server:"):
            lines[number] = modeline()
        elif line.startswith("#"):
            lines[number] = re.sub(
                rf"(?<=\s){re.escape(name)}(?=\s|$)", lambda _: shlex.quote(target), line
            )
    return "\n".join(lines) + "\n"
