"""What verbs do with tables. Beside `init`, no other file of the command line knows columns.

A verb handles every kind of data by the protocols of `sparse_keras.data`, and calls a function of
this file where files of tables, their columns or raw rows are involved.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sparse_keras._internal.column_labels import classes_of
from sparse_keras.cli.file_format import OF_CSV, OF_EXCEL, refuse_file_format
from sparse_keras.cli.text import continues_texts
from sparse_keras.schema import Config

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np

    from sparse_keras.data import ArrayBatches, Dataset, Target
    from sparse_keras.data.tabular.describe import ColumnDescription
    from sparse_keras.models import PreprocessedModel

_ROWS = 4096  # in a batch of `largest_difference`


def is_tabular(model: keras.Model) -> bool:
    """Returns whether a model has the preprocessor of tables."""
    from sparse_keras.data import TablePreprocessor

    return isinstance(getattr(model, "preprocessor", None), TablePreprocessor)


def check_tabular(model: keras.Model, what: str, supported: str = "models of tables") -> None:
    """Raises a `ValueError` if a model does not have the preprocessor of tables.

    Args:
        model: The model of a run.
        what: What needs a table, the subject of the message.
        supported: What it supports, for the message.
    """
    if continues_texts(model):
        raise ValueError(
            f"{what} supports {supported} only. This is a language model: `sparse-keras "
            "generate RUN --prompt TEXT` continues texts, and `sparse-keras evaluate RUN` "
            "computes its metrics."
        )
    if not is_tabular(model):
        preprocessor = getattr(model, "preprocessor", None)
        received = "none" if preprocessor is None else f"a {type(preprocessor).__name__}"
        raise ValueError(
            f"{what} supports {supported} only. The preprocessor of this model: {received}. "
            "In Python, `sparse_keras.load_model` returns the model with its `predict`, `evaluate` "
            "and `export`."
        )


def columns_table(columns: Iterable[ColumnDescription]) -> Table:
    """Shows columns: what they hold, how they are used, and why.

    Args:
        columns: The `ColumnDescription` of each, of `data.tabular.describe`.
    """
    table = Table("column", "used as", box=None, pad_edge=False)
    for name in ("distinct", "missing"):
        table.add_column(name, justify="right")
    table.add_column("example", max_width=28, overflow="ellipsis", no_wrap=True)
    table.add_column("why", ratio=1)
    for one in columns:
        distinct = "" if one.distinct is None else f"{one.distinct:,}"
        missing = f"{one.missing:,}" if one.missing else ""
        row = (str(one.name), one.kind, distinct, missing, one.example, one.why)
        table.add_row(*map(in_one_line, row))
    return table


def in_one_line(text: str) -> str:
    """Returns text without the control characters that would end a line."""
    return "".join(character if character.isprintable() else "?" for character in text)


def table_of_columns(data: Dataset) -> Table | None:
    """Returns a table of how each column is used; None for data that are no table."""
    from sparse_keras.data import TabularData
    from sparse_keras.data.tabular.describe import used_columns

    return columns_table(used_columns(data)) if isinstance(data, TabularData) else None


def _file_format(args, path, config, features, keep=()):
    """Returns the arguments of `open_table` for a file in the format of the run's own.

    Categorical columns, and columns that are only copied to the output, are read as text, whatever
    their values look like in some part of the file.
    """
    from sparse_keras.data.reading import suffix_of
    from sparse_keras.data.tabular.table_files import is_csv, is_excel

    if not is_csv(path):
        refuse_file_format(args, f"{path} is not a CSV file", OF_CSV)
    if not is_excel(path):
        refuse_file_format(args, f"{path} is not an Excel file", OF_EXCEL)
    elif args.header_row is not None and args.header_row < 1:
        raise ValueError(f"--header-row must be at least 1. Received: {args.header_row}.")

    def given(name, default):
        value = getattr(args, name)
        return getattr(config.data, name, default) if value is None else value

    own = None if suffix_of(path) == ".tsv" else getattr(config.data, "separator", None)
    numeric = {column.name for column in features.numeric if column.number_format is None}
    text = (set(features.columns) | set(keep)) - numeric
    return {
        "separator": own if args.separator is None else args.separator,
        "decimal": given("decimal", "."),
        "encoding": given("encoding", "utf-8"),
        "sheet": given("sheet", None),
        "header_row": given("header_row", 1),
        "text": tuple(text),
        "missing": getattr(config.data, "missing", None),
    }


def _reads_matrices(features):
    """Returns whether the input of a model is a CSR matrix instead of a table."""
    from sparse_keras.data import SparseColumns

    return isinstance(features.sparse, SparseColumns)


def _read_matrix(args, path, config, features):
    """Reads the `SparseTable` of a file."""
    from sparse_keras.data.tabular.csr.files import read_matrix

    refuse_file_format(args, f"{path} is not a table")
    zero_based = getattr(config.data, "zero_based", False)
    return read_matrix(path, features.sparse_dim, zero_based)


def batches_of_file(
    args: argparse.Namespace, path: str, config: Config, model: PreprocessedModel
) -> ArrayBatches:
    """Reads a file with the target column, for `evaluate`.

    Returns:
        `ArrayBatches`.
    """
    from sparse_keras.data.tabular.csr.files import with_target_of
    from sparse_keras.data.tabular.table_files import open_table, read_rows

    features = model.preprocessor.features
    if _reads_matrices(features):
        rows = _read_matrix(args, path, config, features)
        if rows.targets is None:
            raise ValueError(
                f"{path} is a matrix without a target. Evaluate an svmlight file, or a --part of "
                "the run's own data."
            )
        rows = with_target_of(rows, features.target)
        return encoded_batches(rows, config, model)
    file = open_table(path, **_file_format(args, path, config, features))
    file.check_fits("Split the file.")
    rows = read_rows(file)
    with _about(file, rows, (*features.columns, *features.target.columns)):
        return encoded_batches(_with_target(rows, config, features.target), config, model)


def _with_target(rows, config, target):
    """The rows that have a target, if the config drops others; says how many those are."""
    if target.task == "multitask":
        return rows
    missing = target.missing(rows, how="any")
    if not missing.any():
        return rows
    if getattr(config.data, "missing_target", "error") == "error":
        raise ValueError(
            f"the target is missing in {int(missing.sum()):,} of {len(rows):,} rows. Remove these "
            "rows, or train with data.missing_target: drop, which `evaluate` obeys."
        )
    print(f"{int(missing.sum()):,} rows without a target are left out", file=sys.stderr)
    return rows[~missing]


@contextlib.contextmanager
def _about(file, rows, needed):
    """Errors about rows of a file name it, and say what may be wrong if it lacks a column."""
    try:
        yield
    except ValueError as error:
        doubt = "" if all(name in rows for name in needed) else file.hint(rows)
        raise ValueError(f"{file.path}: {error}{doubt}") from error


def encoded_batches(rows: Any, config: Config, model: PreprocessedModel) -> ArrayBatches:
    """Encodes raw rows with the statistics in the model: those of its table may have changed."""
    from sparse_keras.data import ArrayBatches

    features = model.preprocessor.features
    return ArrayBatches(
        features.encode(rows),
        features.encode_target(rows),
        features.sample_weight(rows),
        batch_size=config.training.batch_size,
    )


def predict_file(args: argparse.Namespace, config: Config, model: PreprocessedModel) -> int:
    """Writes the predictions of a file, part by part. Returns the number of rows."""
    from sparse_keras.data.tabular.columns import as_frame, numeric_values
    from sparse_keras.data.tabular.table_files import iter_rows, open_table, refuse_absent
    from sparse_keras.data.writing import TableWriter

    features = model.preprocessor.features
    if _reads_matrices(features):
        return _predict_matrix(args, config, model)
    options = _file_format(args, args.input, config, features, keep=args.keep)
    numbers = {column.name for column in features.numeric if column.number_format is None}
    numbers &= set(args.keep)
    file = open_table(args.input, **options)
    needed = (*features.columns, *args.keep)
    rows = 0
    with TableWriter(args.output, overwrite=args.overwrite) as writer:
        for chunk in iter_rows(file):
            with _about(file, chunk, needed):
                refuse_absent(file, chunk, args.keep, "the column of --keep")
                copied = as_frame(chunk, args.keep)
                # The type of a column must not depend on the part of the file.
                copied = copied.assign(**{name: numeric_values(copied[name]) for name in numbers})
                predictions = model.predict_frame(chunk, verbose=0)
            clashes = [name for name in predictions if name in copied]
            if clashes:
                raise ValueError(
                    f"--keep {clashes[0]}: the predictions also have a column of that name."
                )
            writer.write(copied.join(predictions))
            rows += len(chunk)
    return rows


def _predict_matrix(args, config, model):
    from sparse_keras.data.writing import TableWriter

    if args.keep:
        raise ValueError(f"--keep {args.keep[0]}: the file of a matrix has no other columns.")
    table = _read_matrix(args, args.input, config, model.preprocessor.features)
    with TableWriter(args.output, overwrite=args.overwrite) as writer:
        writer.write(model.predict_frame(table, verbose=0))
    return len(table)


def labels_of(name: str, frame: Any, target: Target) -> tuple[str, np.ndarray]:
    """Returns the labels of rows for `inspect`.

    Args:
        name: Name of a column, or "target".
        frame: The raw rows, a DataFrame or a `SparseTable`.
        target: The `Target` of the model.

    Returns:
        The name of the column, and its labels as a NumPy array.
    """
    from sparse_keras._internal.suggest import did_you_mean, listing

    # The columns of a CSR matrix are too many to be labels.
    table = getattr(frame, "targets", frame) if hasattr(frame, "matrix") else frame
    columns = [str(column) for column in table.columns]
    if name == "target" and name not in columns:
        if target.task == "multilabel":
            raise ValueError(
                "--labels: this model predicts several labels. Name a column: "
                f"{listing(target.columns)}."
            )
        # With several targets, the first.
        name = target.targets[0].columns[0] if target.task == "multitask" else target.name
    if name not in columns:
        raise ValueError(
            f"--labels {name}: no such column. Expected one of {listing(columns)}."
            f"{did_you_mean(name, columns)}"
        )
    return name, classes_of(table[table.columns[columns.index(name)]])


def largest_difference(model: PreprocessedModel, exported: str | Path, rows: Any) -> float:
    """Returns how much the predictions of a SavedModel differ from those of its model.

    Args:
        model: The `PreprocessedModel`.
        exported: Folder of the SavedModel.
        rows: DataFrame or `SparseTable` of raw rows. The first row is a batch of its own, to test
            batches of one.

    Returns:
        The largest difference of a prediction, in standard deviations of the target for regression.
    """
    import numpy as np
    import tensorflow as tf

    from sparse_keras.data.tabular.csr import SparseTable
    from sparse_keras.data.tabular.tensorflow_csr_export import csr_tensors
    from sparse_keras.data.tabular.tensorflow_export import raw_tensors
    from sparse_keras.tasks import MultiTask

    loaded = tf.saved_model.load(exported)
    task = model.preprocessor.task
    several = isinstance(task, MultiTask)
    units = {each.name if several else "prediction": each.scale for each in task.single_tasks()}
    differences = []
    edges = [0, *range(1, len(rows), _ROWS), len(rows)]
    for start, end in zip(edges[:-1], edges[1:], strict=True):
        if isinstance(rows, SparseTable):
            batch = rows[start:end]
            tensors = csr_tensors(batch.matrix)
        else:
            batch = rows.iloc[start:end]
            tensors = raw_tensors(model.preprocessor.features, batch)
        served = loaded.serve({name: tf.constant(array) for name, array in tensors.items()})
        expected = model.predict(batch, batch_size=len(batch), verbose=0)
        if not several:
            expected = {"prediction": expected}
        for name, array in expected.items():
            difference = np.abs(served[name].numpy() - array).max()
            differences.append(difference / units.get(name, 1.0))
    return float(np.max(differences))
