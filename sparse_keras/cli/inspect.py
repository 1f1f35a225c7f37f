"""`sparse-keras inspect`: shows what the routers and experts of a trained model do."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from sparse_keras.cli.arguments import (
    add_part,
    add_run,
    batches_of_part,
    check_output,
    data_of_run,
    trained_run,
)
from sparse_keras.cli.output import console
from sparse_keras.cli.tabular import MOST_CLASSES, PARTS, is_tabular, labels_of
from sparse_keras.training.runs.folder import RunFolder

_EXAMPLES = """examples:
  sparse-keras inspect runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras inspect runs/churn/2026-01-31_12-00-00 --labels plan --output churn.html
"""

_INSTEAD = "Or inspect other rows in Python, with sparse_keras.inspect."


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "inspect",
        help="show what the experts of a trained model do",
        description="Run a trained model on its data, and show what its routers do: the load of "
        "the experts, experts that are chosen together, how confident the routers are, and what "
        "each expert specialises in. Prints tables, and writes a self-contained HTML page.",
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
        "--output",
        metavar="FILE",
        help="the page to write (default: inspection.html in the run folder)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    page = Path(args.output or Path(args.run_folder, "inspection.html"))
    config, model = trained_run(args, own_data=True, instead=_INSTEAD)
    _check_page(page)
    from sparse_keras.inspection import inspect

    data = data_of_run(args, config, _INSTEAD)
    examples, name = batches_of_part(data, args.part), data.task.name
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
    )
    name_in_title = RunFolder(args.run_folder).read_environment()["config"]
    inspection = dataclasses.replace(inspection, model=name_in_title)
    console(width=120, markup=True).print(inspection)
    inspection.to_html(page)
    print(f"\nwrote {page}")
    return 0


def _check_page(page):
    """Raises a `ValueError` if the page would overwrite a file that is not such a page."""
    check_output(page)
    if not page.exists():
        return
    from sparse_keras.inspection.page import MARK

    if not page.is_file() or MARK.encode() not in page.read_bytes()[:200]:
        raise ValueError(
            f"--output {page}: the file exists and is not an inspection page. Nothing was written."
        )
