"""`sparse-keras predict`: from a table to a table of predictions."""

from sparse_keras.cli.arguments import (
    add_run,
    add_table_format,
    is_of_matrix,
    read_matrix_of,
    table_format,
    trained_run,
)

_EXAMPLES = """examples:
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new_customers.csv
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new.parquet --output predictions.parquet
  sparse-keras predict runs/churn/2026-01-31_12-00-00 new.csv --keep id --output predictions.jsonl
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "predict",
        help="predict the rows of a table",
        description="Predict the target of each row of a table, in the order of the rows. The "
        "table is read and written in parts, so that it may be larger than memory. For classes, "
        "the columns are the prediction and the probabilities.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    parser.add_argument(
        "input",
        metavar="FILE",
        help="a table: .csv, .tsv, .jsonl, .parquet or .npz; for a model "
        "of a sparse matrix: .npz or .svmlight",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write: .csv, .tsv, .jsonl or .parquet (default: CSV to the screen)",
    )
    parser.add_argument("--overwrite", action="store_true", help="overwrite the output file")
    parser.add_argument(
        "--keep",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="columns of the input to put before the predictions",
    )
    add_table_format(parser)
    return parser


def run(args):
    if args.overwrite and not args.output:
        raise ValueError("--overwrite has no effect: without --output, no file is written.")
    config, model = trained_run(args)
    from sparse_keras.data.tabular.columns import as_frame, numeric_values
    from sparse_keras.data.tabular.table_files import iter_table
    from sparse_keras.data.tabular.writing import TableWriter

    if is_of_matrix(model.preprocessor.features):
        return _predict_matrix(args, config, model)
    options = table_format(args, args.input, config, model.preprocessor.features, keep=args.keep)
    numbers = [c.name for c in model.preprocessor.features.numeric if c.name in args.keep]
    rows = 0
    with TableWriter(args.output, overwrite=args.overwrite) as writer:
        for chunk in iter_table(args.input, **options):
            kept = as_frame(chunk, args.keep)
            # The type of a column must not depend on the part of the file.
            kept = kept.assign(**{name: numeric_values(kept[name]) for name in numbers})
            predictions = model.predict_frame(chunk, verbose=0)
            taken = [name for name in predictions if name in kept]
            if taken:
                raise ValueError(
                    f"--keep {taken[0]}: the predictions have a column of that name, too."
                )
            writer.write(kept.reset_index(drop=True).join(predictions))
            rows += len(chunk)
    if args.output:
        print(f"wrote {rows:,} predictions to {args.output}")
    return 0


def _predict_matrix(args, config, model):
    from sparse_keras.data.tabular.writing import TableWriter

    if args.keep:
        raise ValueError(f"--keep {args.keep[0]}: a file of a matrix has no other columns.")
    table = read_matrix_of(args, args.input, config, model.preprocessor.features)
    with TableWriter(args.output, overwrite=args.overwrite) as writer:
        writer.write(model.predict_frame(table, verbose=0))
    if args.output:
        print(f"wrote {len(table):,} predictions to {args.output}")
    return 0
