"""`sparse-keras report`: writes a page about a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_keras._internal.atomic import write_text
from sparse_keras.cli.arguments import add_page, add_run, new_page
from sparse_keras.cli.quiet import start_backend
from sparse_keras.training.runs.folder import RunFolder

if TYPE_CHECKING:
    from sparse_keras.data import Dataset
    from sparse_keras.training.train import Run

_EXAMPLES = """examples:
  sparse-keras report last
  sparse-keras report runs/churn/2026-01-31_12-00-00 --output churn.html
  sparse-keras report last --overwrite --baselines never
"""
PAGE = "report.html"


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "report",
        help="write a page about a run: how good the model is, and why",
        description="Write a self-contained HTML page about a finished run: its metrics beside "
        "those of no model, a linear model and gradient boosting on the same rows; learning "
        "curves, confusion matrix, ROC, precision and recall, calibration, residuals; which "
        "columns it relies on; what the experts do; costs.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    add_page(parser, PAGE)
    parser.add_argument(
        "--baselines",
        choices=["auto", "always", "never"],
        default="auto",
        help="whether to fit the linear model and gradient boosting; auto: if it takes seconds "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--importance-rows",
        type=_rows,
        metavar="N",
        help="number of rows for the permutation importance of the columns; 0 leaves it out "
        "(default: up to 2000, fewer for more columns, 0 for more than 100 columns)",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    RunFolder(args.run_folder).check_model()  # Before a page in a folder that is no run's.
    page = new_page(args, PAGE)
    start_backend()
    from sparse_keras.reporting import report

    result = report(args.run_folder, baselines=args.baselines, importance_rows=args.importance_rows)
    _write(result, page, args.overwrite)
    return 0


def report_of(run: Run, data: Dataset, page: Path) -> None:
    """Writes the page of a run that was just trained.

    Args:
        run: The `Run`.
        data: Its data.
        page: The file to write.
    """
    from sparse_keras.reporting import report

    _write(report(run, data), page, overwrite=False)


def _write(result, page, overwrite):
    for verdict in result.summary():
        print(f"{_SIGNS[verdict.kind]} {verdict.text}")
    write_text(page, result.to_html(), overwrite)
    print(f"\nwrote {page}")


_SIGNS = {"good": "✓", "bad": "!", "so": "·"}


def _rows(text):
    try:
        rows = int(text)
    except ValueError:
        rows = -1
    if rows < 0:
        raise argparse.ArgumentTypeError(f"expected a number of rows, or 0. Received: {text!r}")
    return rows
