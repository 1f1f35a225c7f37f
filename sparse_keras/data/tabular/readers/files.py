"""The user's own table file, of any format, as a `RawTable`.

What could be misread silently is refused: the message says where it is and which key of the
config settles it.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras._internal.yaml_text import yaml_scalar
from sparse_keras.data.tabular.columns import (
    category_keys,
    is_categorical,
    numeric_values,
    row_number,
)
from sparse_keras.data.tabular.formats import NPZFile
from sparse_keras.data.tabular.misreadings import MISREAD_TARGETS, misreading
from sparse_keras.data.tabular.missing import MissingValues
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.readers.file_splits import (
    named_paths,
    split_frame,
    splitting_column,
    without_splitting_column,
)
from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.table_files import (
    read_rows,
    refuse_absent,
    refuse_beyond_memory,
    sample_rows,
)
from sparse_keras.data.tabular.target_inference import infer_labels, infer_target
from sparse_keras.data.tabular.weights import row_weights


def missing_of(options):
    """Returns the `MissingValues` of a file's section."""
    return MissingValues.of(getattr(options, "missing", None))


def read_file(open_file, options):
    """Returns table files as a `RawTable`, split as the options say.

    Args:
        open_file: Function of (path, text) that returns a `TableFile`: `text` are the columns to
            keep as text whatever they hold.
        options: The validated `data` section, a `schema.sections.tabular.files.FileSection`.

    Raises:
        ValueError: If a file cannot be read as a table, has no usable target or weights, a column
            would be misread, or the rows cannot be split.
    """
    # "007" is a category of its own only as long as it is text.
    text = [name for name, kind in options.columns.items() if kind == "categorical"]
    file = open_file(options.path, text)
    frame, sampled = _rows(file, options)
    with _naming(file):
        labels = _labels(file, frame, options.target)
        missing = missing_of(options)
        _refuse_unknown("columns", options.columns, frame)
        _refuse_unknown("missing", missing.by_column, frame)
        by = splitting_column(file, frame, options.split)
        frame = _with_kinds(frame, options.columns, missing)
        frame, dropped = _with_target(frame, labels, options)
        target = _target(frame, options, labels, missing)
        if options.weight is not None:
            refuse_absent(file, frame, [options.weight], "a column of weights")
            row_weights(frame, options.weight)
        frame = without_splitting_column(frame, options)
        inputs = frame.columns.drop([*target.columns, *filter(None, [options.weight])])
        _refuse_misread(frame, inputs)
        frame = _with_categories(frame, inputs)
    others = {}
    for part, path in named_paths(options).items():
        text = [*text, *(name for name in inputs if is_categorical(frame[name]))]
        *others[part], without = _read_like(open_file(path, text), frame, target, inputs, options)
        dropped += without
    with _naming(file):
        frames, split = split_frame(frame, by, target, options, others)
    if sampled:
        split = replace(split, drawn=(*split.drawn, "sample"))
    return RawTable(
        file.path.stem,
        frames["train"],
        frames["test"],
        target,
        options.weight,
        missing=missing,
        dropped=dropped,
        validation=frames.get("validation"),
        split=split,
    )


def _rows(file, options):
    """The rows of a file, and whether they are a random sample."""
    if options.max_rows is None:
        refuse_beyond_memory(file)
        return read_rows(file), False
    frame = sample_rows(file, options.max_rows, options.split_seed)
    return frame, len(frame) == options.max_rows


@contextlib.contextmanager
def _naming(file):
    """Errors about a table name its file."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{file.path}: {error}") from error


def _read_like(file, train, target, inputs, options):
    """Reads the validation or test rows of a file of their own.

    Args:
        file: A `TableFile`.
        train: DataFrame of the rows of the training file, with its target, weights and inputs.
        target: The `Target` or `MultiTarget` of these.
        inputs: The names of the inputs.
        options: The validated `data` section.

    Returns:
        `(rows, values of the column of data.split or None, number of rows left out)`.
    """
    frame, _ = _rows(file, options)
    with _naming(file):
        if lacking := [name for name in train.columns if name not in frame]:
            raise ValueError(
                f"lacks {len(lacking)} column{'s' * (len(lacking) > 1)} of {options.path}: "
                f"{listing(lacking)}.{did_you_mean(lacking[0], frame.columns)}{file.hint(frame)} "
                f"Columns of the file: {listing(frame.columns)}."
            )
        by = frame.get(getattr(options.split, "column", None))
        missing = missing_of(options)
        kinds = {name: kind for name, kind in options.columns.items() if name in train}
        frame = _with_kinds(frame[list(train.columns)], kinds, missing)
        frame, dropped = _with_target(frame, target.columns, options)
        target.encode(frame)  # Raises if there are other classes.
        if options.weight is not None:
            row_weights(frame, options.weight)
        for name in inputs:
            if pd.api.types.is_numeric_dtype(train[name].dtype) and is_categorical(frame[name]):
                values = numeric_values(frame[name], missing.declared(name))
                frame[name] = pd.Series(values, index=frame.index)
        _refuse_infinite(frame, inputs)
        categories = [name for name in inputs if isinstance(train[name].dtype, pd.CategoricalDtype)]
        frame = _with_categories(frame, categories)
    by = None if by is None else by.loc[frame.index]
    return frame.reset_index(drop=True), by, dropped


def _labels(file, frame, target):
    """The columns of the target, those of an array of rank 2 included."""
    if isinstance(file, NPZFile) and isinstance(target, str) and target not in frame:
        array = (f"{target}_{column}" for column in range(len(frame.columns)))
        if labels := tuple(name for name in array if name in frame):
            return labels
    labels = (target,) if isinstance(target, str) else tuple(target)
    refuse_absent(file, frame, labels, "a target column")
    return labels


def _with_target(frame, labels, options):
    """The rows that have a target, and the number of those that have none.

    With several targets, rows without some of them are used for the others.
    """
    if isinstance(options.target, Mapping):
        return frame, 0
    missing = np.any([np.equal(category_keys(frame[name]), None) for name in labels], axis=0)
    count = int(missing.sum())
    if count and options.missing_target == "error":
        raise ValueError(
            f"target {listing(labels)} is missing in {count:,} of {len(frame):,} rows, first in "
            f"row {row_number(frame[labels[0]], missing.argmax())} (the first row of data is 1). "
            "Set data.missing_target: drop to leave these rows out."
        )
    if count == len(frame):
        raise ValueError(f"target {listing(labels)} is missing in all {count:,} rows.")
    return frame[~missing], count


def _target(frame, options, labels, missing):
    if isinstance(options.target, Mapping):
        targets = [
            _inferred_target(_present(frame[name]), task, options, missing)
            for name, task in options.target.items()
        ]
        return MultiTarget("targets", tuple(targets))
    if len(labels) > 1:
        name = options.target if isinstance(options.target, str) else "labels"
        return infer_labels(frame, labels, name)
    return _inferred_target(frame[labels[0]], options.task, options, missing)


def _present(values):
    """The rows that have a target."""
    present = np.not_equal(category_keys(values), None)
    if not present.any():
        raise ValueError(f"target {values.name!r} is missing in every row. Leave it out.")
    return values[present]


def _inferred_target(values, task, options, missing):
    found = misreading(values)
    if found and found.kind in MISREAD_TARGETS:
        raise ValueError(f"target {values.name!r} holds {found.what}. {found.advice(values.name)}")
    target = infer_target(values, task, options.ignore_case)
    return replace(target, missing_values=missing.declared(values.name))


def _refuse_unknown(key, names, frame):
    for name in names:
        if name not in frame:
            raise ValueError(
                f"data.{key} names {name!r}, which the file does not have."
                f"{did_you_mean(name, frame.columns)} Columns of the file: "
                f"{listing(frame.columns)}."
            )


def _with_kinds(frame, kinds, missing):
    """The table in which the type of a column says its kind, as `fit_features` reads it."""
    frame = frame.drop(columns=[name for name, kind in kinds.items() if kind == "ignore"])
    for name, kind in kinds.items():
        if kind == "numeric":
            values = numeric_values(frame[name], missing.declared(name))
            frame[name] = pd.Series(values, index=frame.index)
        elif kind == "categorical":
            keys = category_keys(frame[name])
            frame[name] = pd.Series(pd.Categorical(keys), index=frame.index)
    return frame


def _with_categories(frame, inputs):
    """The table in which the inputs of categories are of that dtype: they were checked."""
    for name in inputs:
        if is_categorical(frame[name]) and not isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = pd.Series(pd.Categorical(category_keys(frame[name])), index=frame.index)
    return frame


def _refuse_misread(frame, inputs):
    empty = [name for name in inputs if frame[name].isna().all()]
    if empty:
        raise ValueError(
            f"columns without a single value teach nothing. Remove {listing(empty)} from the file, "
            f"or set data.columns: {_ignoring(empty)}."
        )
    for name in inputs:
        if is_categorical(frame[name]):
            found = misreading(frame[name])
            if found:
                raise ValueError(
                    f"column {name!r} holds {found.what}. {found.advice(name)} Set data.columns: "
                    f"{_ignoring([name])} to leave it out ('categorical' to take each value for a "
                    "category of its own)."
                )
    _refuse_infinite(frame, inputs)


def _refuse_infinite(frame, inputs):
    for name in inputs:
        if not is_categorical(frame[name]):
            infinite = np.isinf(numeric_values(frame[name]))
            if infinite.any():
                raise ValueError(
                    f"column {name!r} must hold finite numbers. Received: "
                    f"{frame[name].iloc[infinite.argmax()]} in row "
                    f"{row_number(frame[name], infinite.argmax())} (the first row of data is 1), "
                    f"and {infinite.sum() - 1} more. Leave those cells empty for missing, or set "
                    f"data.columns: {_ignoring([name])}."
                )


def _ignoring(names):
    """As one writes it in YAML."""
    return "{" + ", ".join(f"{yaml_scalar(name)}: ignore" for name in names) + "}"
