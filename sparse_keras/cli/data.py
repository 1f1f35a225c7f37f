"""`sparse-keras data`: lists data sets, and fetches their files."""

import argparse
from typing import Any

from rich.table import Table

from sparse_keras._internal.suggest import did_you_mean
from sparse_keras.cli.output import console
from sparse_keras.data.sources import source_of
from sparse_keras.schema.plugins import load_installed
from sparse_keras.schema.sections.data import DATASETS

_EXAMPLES = """examples:
  sparse-keras data list
  sparse-keras data fetch adult
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "data",
        help="list the data sets, or fetch the files of one",
        description="List the data sets that a config can name under data.type: where they come "
        "from, and whether they are on this machine. Or fetch the files of a data set and check "
        "them. Downloads are saved in the folder SPARSE_KERAS_HOME, by default a subfolder of your "
        "cache folder.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("action", choices=("list", "fetch"), help="list data sets, or fetch one")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the data set (default: list all)")
    return parser


def run(args: argparse.Namespace) -> int:
    load_installed()
    names = list(DATASETS.sections)
    if args.name not in names and (args.name or args.action == "fetch"):
        received = f" Received: {args.name!r}.{did_you_mean(args.name, names)}" if args.name else ""
        raise ValueError(
            f"`sparse-keras data {args.action} NAME` takes the name of a data set: "
            f"{', '.join(names)}.{received}"
        )
    sources = {name: source_of(name) for name in ([args.name] if args.name else names)}
    if args.action == "list":
        console(width=200).print(_table(sources))
    else:
        _fetch(args.name, sources[args.name])
    return 0


def _fetch(name, source):
    from sparse_keras.data.download.progress import download_bar

    with download_bar(name) as progress:
        try:
            message = source.fetch(progress)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    print(f"{name}: {message}")
    if source.licence:
        print(f"licence: {source.licence}")


def _table(sources):
    columns = ("name", "description", "source", "size", "here", "licence")
    table = Table(*columns, box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    here = {True: "yes", False: "no", None: "-"}
    for name, source in sources.items():
        description = DATASETS.sections[name].model_fields["type"].description
        size = _readable(source.size) if source.size else "-"
        licence = source.licence or "-"
        table.add_row(name, description, source.kind, size, here[source.is_here()], licence)
    return table


def _readable(size):
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
