"""`sparse-keras predict`: predicts the rows of a table."""

import argparse
from typing import Any

from sparse_keras.cli.arguments import add_run, add_threshold, set_threshold, trained_run
from sparse_keras.cli.output import exact_output
from sparse_keras.cli.tabular import add_file_format, check_tabular, predict_file

_EXAMPLES = """examples:
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new_customers.csv
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new.parquet --output predictions.parquet
  sparse-keras predict runs/churn/2026-01-31_12-00-00 --keep id --keep name new.csv
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new.csv --threshold 0.3
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "predict",
        help="predict the rows of a table",
        description="Predict the target of each row of a table, in the order of the rows. Tables "
        "are read and written in parts, so they may be larger than memory. For classes, the output "
        "has columns with the prediction and the probabilities.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    parser.add_argument(
        "input",
        metavar="FILE",
        help="a table: .csv, .tsv, .jsonl, .parquet, .npz or .xlsx; for models of CSR matrices: "
        ".npz or .svmlight",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="the file to write: .csv, .tsv, .jsonl or .parquet (default: print CSV)",
    )
    parser.add_argument("--overwrite", action="store_true", help="overwrite the output file")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of the input to copy before the predictions; may be repeated",
    )
    add_file_format(parser)
    add_threshold(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    if args.overwrite and not args.output:
        raise ValueError("--overwrite has no effect: without --output, no file is written.")
    config, model = trained_run(args)
    check_tabular(model, "`sparse-keras predict`")
    set_threshold(args, model)
    with exact_output():
        rows = predict_file(args, config, model)
    if args.output:
        print(f"wrote {rows:,} predictions to {args.output}")
    return 0
