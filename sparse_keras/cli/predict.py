"""`sparse-keras predict`: predicts the rows of a table, or texts."""

import argparse
from typing import Any

from sparse_keras.cli.arguments import add_run, add_threshold, set_threshold, trained_run
from sparse_keras.cli.file_format import add_file_format
from sparse_keras.cli.output import exact_output
from sparse_keras.cli.tabular import check_tabular, predict_file
from sparse_keras.cli.text import (
    add_text_column,
    classifies_texts,
    predict_texts,
    refuse_text_arguments,
)

_EXAMPLES = """examples:
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new_customers.csv
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new.parquet --output predictions.parquet
  sparse-keras predict runs/churn/2026-01-31_12-00-00 --keep id --keep name new.csv
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new.csv --threshold 0.3
  sparse-keras predict last mails.jsonl --text-column body --output labels.csv
  sparse-keras predict last mails.txt
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "predict",
        help="predict the rows of a table, or texts",
        description="Predict the target of each row of a table, or of each text, in their order. "
        "Files are read and written in parts, so they may be larger than memory. For classes, the "
        "output has columns with the prediction and the probabilities.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    parser.add_argument(
        "input",
        metavar="FILE",
        help="a table: .csv, .tsv, .jsonl, .parquet, .npz or .xlsx; for models of CSR matrices: "
        ".npz or .svmlight; for models of texts: .csv, .tsv, .jsonl or .parquet with a column of "
        "texts, .txt with a text in each line, or - for those of standard input",
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
    add_text_column(parser)
    add_file_format(parser)
    add_threshold(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    if args.overwrite and not args.output:
        raise ValueError("--overwrite has no effect: without --output, no file is written.")
    config, model = trained_run(args)
    of_texts = classifies_texts(model)
    if not of_texts:
        check_tabular(model, "`sparse-keras predict`", "models of tables and classifiers of texts")
        refuse_text_arguments(args)
    set_threshold(args, model)
    with exact_output():
        rows = (predict_texts if of_texts else predict_file)(args, config, model)
    if args.output:
        print(f"wrote {rows:,} predictions to {args.output}")
    return 0
