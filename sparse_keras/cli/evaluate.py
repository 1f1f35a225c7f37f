"""`sparse-keras evaluate`: computes the metrics of a trained model."""

import argparse
import json
from typing import Any

from rich.table import Table

from sparse_keras._internal.metric_text import metric_text
from sparse_keras.cli.arguments import (
    add_part,
    add_run,
    add_threshold,
    batches_of_part,
    data_of_run,
    set_threshold,
    trained_run,
)
from sparse_keras.cli.file_format import add_file_format, refuse_file_format
from sparse_keras.cli.output import console
from sparse_keras.cli.tabular import batches_of_file, check_tabular, encoded_batches, is_tabular
from sparse_keras.cli.text import (
    add_text_column,
    batches_of_texts,
    classifies_texts,
    continues_texts,
    refuse_text_arguments,
)

_EXAMPLES = """examples:
  sparse-keras evaluate runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras evaluate runs/churn/2026-01-31_12-00-00 --part validation
  sparse-keras evaluate runs/churn/2026-01-31_12-00-00 --data churn_of_march.csv --json
  sparse-keras evaluate last --data reviews_of_march.jsonl --text-column review
  sparse-keras evaluate runs/churn/2026-01-31_12-00-00 --threshold 0.3
"""

_INSTEAD = "Or evaluate a file of your own with --data FILE."


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a trained model",
        description="Evaluate a trained model, on a part of its data or on a file.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    source = parser.add_mutually_exclusive_group()
    add_part(source)
    source.add_argument(
        "--data",
        metavar="FILE",
        help="evaluate a table with the target column instead; for models of texts, a file or "
        "folder as in the config of one",
    )
    add_text_column(parser)
    add_file_format(parser)
    add_threshold(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    config, model = trained_run(args, own_data=not args.data, instead=_INSTEAD)
    set_threshold(args, model)
    from sparse_keras.data.batches import num_examples
    from sparse_keras.tasks.scores import remarks
    from sparse_keras.training.evaluation import evaluate

    if args.data:
        if classifies_texts(model) or continues_texts(model):
            batches = batches_of_texts(args, args.data, config, model)
        else:
            check_tabular(model, "--data", "models of tables and of texts")
            refuse_text_arguments(args)
            batches = batches_of_file(args, args.data, config, model)
        name = args.data
        task = model.preprocessor.task
    else:
        refuse_file_format(args, "without --data, the format is in the run's config")
        refuse_text_arguments(args, "without --data, it is in the run's config")
        data = data_of_run(args, config, _INSTEAD)
        task = data.task
        batches, name = batches_of_part(data, args.part), f"{args.part} rows of {data.name}"
        if is_tabular(model):
            batches = encoded_batches(data.frames[args.part], config, model)
    rows = num_examples(batches)
    metrics = evaluate(model, batches, task)
    if args.json:
        print(json.dumps({"rows": rows, **metrics}, indent=2))
        return 0
    table = Table("metric", box=None, pad_edge=False)
    table.add_column(f"{rows:,} {name}", justify="right")
    for metric, value in metrics.items():
        table.add_row(metric, metric_text(value))
    screen = console()
    screen.print(table)
    for sentence in remarks(getattr(model, "task", task), metrics, "_"):
        screen.print(sentence, soft_wrap=True)
    return 0
