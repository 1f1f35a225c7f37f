"""`sparse-keras inspect`: what the routers of a trained model do, and what each expert is for."""

import dataclasses
import sys
from pathlib import Path

from rich.console import Console

from sparse_keras.cli.arguments import add_run, check_output, trained_run
from sparse_keras.training.runs.folder import environment_of

_EXAMPLES = """examples:
  sparse-keras inspect runs/tabular/sparse_mlp_adult/2026-01-31_12-00-00
  sparse-keras inspect runs/churn/2026-01-31_12-00-00 --labels plan --output churn.html
"""
_MOST_CLASSES = 20  # A column of more different numbers is a quantity, to be cut into parts.
_PARTS = 5


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "inspect",
        help="show what the experts of a trained model do",
        description="Run a trained model on its data, and show what its routers do: the load of "
        "the experts, who works together, how decided the routers are, and what each expert is "
        "for. Prints tables, and writes a page of HTML that needs nothing else.",
        epilog=_EXAMPLES,
    )
    add_run(parser)
    parser.add_argument(
        "--part",
        "--split",
        choices=["train", "validation", "test"],
        default="test",
        help="the rows of the run's own data (default: %(default)s)",
    )
    parser.add_argument(
        "--labels",
        metavar="COLUMN",
        default="target",
        help="a column of the data, by whose values to tell what experts are for (default: the "
        f"target); numbers are cut into {_PARTS} parts of equal size, but whole numbers of at "
        f"most {_MOST_CLASSES} values",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write the page (default: inspection.html in the run's folder)",
    )
    return parser


def run(args):
    page = Path(args.output or Path(args.run_folder, "inspection.html"))
    config, model = trained_run(args)
    _check_page(page)
    from sparse_keras.data import load_data
    from sparse_keras.inspection import inspect

    data = load_data(config)
    if args.part not in data.frames:
        raise ValueError("--part validation: this run held no validation rows out.")
    frame = data.frames[args.part]
    name, labels = _labels(args.labels, frame, model.preprocessor.features.target)
    found = inspect(
        model,
        frame,
        labels,
        batch_size=1024,
        data=f"{args.part} rows of {data.name}",
        label=name,
    )
    found = dataclasses.replace(found, model=environment_of(Path(args.run_folder))["config"])
    Console(width=None if sys.stdout.isatty() else 120).print(found)
    found.to_html(page)
    print(f"\nwrote {page}")
    return 0


def _check_page(page):
    """Raises a ValueError rather than overwrite anything but an older page of ours."""
    check_output(page)
    if not page.exists():
        return
    from sparse_keras.inspection.page import MARK

    if not page.is_file() or MARK.encode() not in page.read_bytes()[:200]:
        raise ValueError(
            f"--output {page}: there is something else of that name. Nothing was written."
        )


def _labels(name, frame, target):
    """What to call the labels, and the labels of the rows."""
    from sparse_keras._internal.suggest import did_you_mean, listing

    # The columns of a sparse matrix are too many to ask for.
    table = getattr(frame, "targets", frame) if hasattr(frame, "matrix") else frame
    columns = [str(column) for column in table.columns]
    if name == "target" and name not in columns:
        if target.task == "multilabel":
            raise ValueError(
                "--labels: this model predicts several labels. Name a column: "
                f"{listing(target.columns)}."
            )
        # Of several targets, the first.
        name = target.targets[0].columns[0] if target.task == "multitask" else target.name
    if name not in columns:
        raise ValueError(
            f"--labels {name}: no such column. Expected one of {listing(columns)}."
            f"{did_you_mean(name, columns)}"
        )
    return name, _classes(table[table.columns[columns.index(name)]])


def _classes(column):
    """A column as labels: numbers of many values become parts, named by their limits."""
    import pandas as pd

    numbers = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if not numbers or (column.nunique() <= _MOST_CLASSES and (column.dropna() % 1 == 0).all()):
        return column.to_numpy(dtype=object, na_value=None)
    counts = column.value_counts()
    if counts.iloc[0] > len(column) / _PARTS:
        # Most rows may be 0, say, which leaves the other parts nothing: a part of its own.
        most = counts.index[0]
        others = _classes(column.where(column != most).dropna()) if len(counts) > 1 else []
        labels = pd.Series(None, index=column.index, dtype=object)
        labels[column == most] = f"{most:.4g}"
        labels[column.notna() & (column != most)] = others
        return labels.to_numpy(dtype=object, na_value=None)
    parts = pd.qcut(column, _PARTS, duplicates="drop")
    kinds = parts.cat.categories
    # Numbered, so that they stay in their order.
    names = {
        kind: f"{n}/{len(kinds)}: {max(kind.left, column.min()):.4g} to {kind.right:.4g}"
        for n, kind in enumerate(kinds, 1)
    }
    return parts.map(names).to_numpy(dtype=object, na_value=None)
