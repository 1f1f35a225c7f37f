"""`sparse-keras inspect`: shows what the routers and experts of a trained model do."""

import argparse
import dataclasses
from typing import Any

from sparse_keras._internal.atomic import write_text
from sparse_keras._internal.column_labels import MOST_CLASSES, PARTS
from sparse_keras.cli.arguments import (
    add_page,
    add_part,
    add_run,
    batches_of_part,
    data_of_run,
    new_page,
    trained_run,
)
from sparse_keras.cli.output import console
from sparse_keras.cli.tabular import is_tabular, labels_of
from sparse_keras.training.runs.folder import RunFolder

_EXAMPLES = """examples:
  sparse-keras inspect runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras inspect runs/churn/2026-01-31_12-00-00 --labels plan --output churn.html
  sparse-keras inspect last --overwrite
  sparse-keras inspect runs/shakespeare/2026-01-31_12-00-00 --tokens 200000
"""

PAGE = "inspection.html"
_INSTEAD = "Or inspect other rows in Python, with sparse_keras.inspect."


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "inspect",
        help="show what the experts of a trained model do",
        description="Run a trained model on its data, and show what its routers do: the load of "
        "the experts, experts that are chosen together, how confident the routers are, and what "
        "each expert serves more of. Of texts, it shows the experts of each token. Prints tables, "
        "and writes a self-contained HTML page.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    add_part(parser, "--split")
    parser.add_argument(
        "--labels",
        metavar="COLUMN",
        default="target",
        help="the column of a table by which to show specialisation (default: the target); numbers "
        f"are cut into {PARTS} parts of equal size, except whole numbers of at most {MOST_CLASSES} "
        "values",
    )
    parser.add_argument(
        "--tokens",
        type=int,
        metavar="N",
        help="for models of texts: the most tokens to read, in rows spread evenly (default: 50000)",
    )
    add_page(parser, PAGE)
    return parser


def run(args: argparse.Namespace) -> int:
    RunFolder(args.run_folder).check_model()  # Before a page in a folder that is no run's.
    page = new_page(args, PAGE)
    config, model = trained_run(args, own_data=True, instead=_INSTEAD)
    from sparse_keras.inspection import inspect

    data = data_of_run(args, config, _INSTEAD)
    examples, name = batches_of_part(data, args.part), data.task.name
    if data.task.kind == "next_token":
        name = "source"
    if args.tokens is not None and not hasattr(data, "tokenizer"):
        raise ValueError(
            f"--tokens {args.tokens} is for texts, but the data set {data.name!r} has none."
        )
    labels = "targets" if data.task.kind in ("binary", "multiclass") else None
    if is_tabular(model):
        examples = data.frames[args.part]
        name, labels = labels_of(args.labels, examples, model.preprocessor.features.target)
    elif args.labels != "target":
        raise ValueError(
            f"--labels {args.labels} names a column, but the data set {data.name!r} is not a table."
        )
    inspection = inspect(
        model,
        examples,
        labels,
        batch_size=1024,
        data=f"{args.part} rows of {data.name}",
        label=name,
        max_tokens=args.tokens,
    )
    name_in_title = RunFolder(args.run_folder).read_environment()["config"]
    inspection = dataclasses.replace(inspection, model=name_in_title)
    console(width=120, markup=True).print(inspection)
    write_text(page, inspection.to_html(), args.overwrite)
    print(f"\nwrote {page}")
    return 0
