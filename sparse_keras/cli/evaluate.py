"""`sparse-keras evaluate`: the metrics of a trained model."""

import json

from rich.console import Console
from rich.table import Table

from sparse_keras.cli.arguments import (
    add_run,
    add_table_format,
    is_of_matrix,
    read_matrix_of,
    refuse_table_format,
    table_format,
    trained_run,
)

_EXAMPLES = """examples:
  sparse-keras evaluate runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras evaluate runs/churn/2026-01-31_12-00-00 --part validation
  sparse-keras evaluate runs/churn/2026-01-31_12-00-00 --data churn_of_march.csv --json
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a trained model",
        description="Evaluate a trained model, on a part of its data or on a file.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument(
        "--part",
        choices=["train", "validation", "test"],
        default="test",
        help="the rows of the run's own data (default: %(default)s)",
    )
    rows.add_argument("--data", metavar="FILE", help="a table with the target column, instead")
    add_table_format(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def run(args):
    config, model = trained_run(args)
    from sparse_keras.data import ArrayBatches, load_data
    from sparse_keras.data.tabular.csr.files import with_target_of
    from sparse_keras.data.tabular.table_files import read_table

    if args.data and is_of_matrix(model.preprocessor.features):
        frame, name = (
            read_matrix_of(args, args.data, config, model.preprocessor.features),
            args.data,
        )
        if frame.targets is None:
            raise ValueError(
                f"{args.data} is a matrix without a target. Evaluate a svmlight file, or a --part "
                "of the run's own data."
            )
        frame = with_target_of(frame, model.preprocessor.features.target)
    elif args.data:
        options = table_format(args, args.data, config, model.preprocessor.features)
        frame, name = read_table(args.data, **options), args.data
    else:
        refuse_table_format(args, "without --data, the run's own config says it")
        data = load_data(config)
        if args.part not in data.frames:
            raise ValueError("--part validation: this run held no validation rows out.")
        frame, name = data.frames[args.part], f"{args.part} rows of {data.name}"
    # As the model knows the columns: the run's table may have changed since.
    batches = ArrayBatches(
        model.preprocessor.features.encode(frame),
        model.preprocessor.features.encode_target(frame),
        model.preprocessor.features.sample_weight(frame),
        batch_size=config.training.batch_size,
    )
    metrics = model.evaluate(batches, return_dict=True, verbose=0)
    if args.json:
        print(json.dumps({"rows": batches.num_rows, **metrics}, indent=2))
        return 0
    table = Table("metric", box=None, pad_edge=False)
    table.add_column(f"{batches.num_rows:,} {name}", justify="right")
    for metric, value in metrics.items():
        table.add_row(metric, f"{value:.4f}")
    Console(highlight=False, markup=False).print(table)
    return 0
