"""The user's own table file, of any format, as a `RawTable`.

What could be misread silently is refused: the message says where it is and which key of the
config settles it.
"""

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
from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.splits import hold_out
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


def read_file(file, options):
    """Returns a table file as a `RawTable`, with a part of its rows held out for testing.

    Args:
        file: A `TableFile`.
        options: The validated `data` section, a `schema.sections.tabular.files.FileSection`.

    Raises:
        ValueError: If the file cannot be read as a table, has no usable target or weights, or a
            column would be misread.
    """
    if options.max_rows is None:
        refuse_beyond_memory(file)
        frame = read_rows(file)
    else:
        frame = sample_rows(file, options.max_rows, options.split_seed)
    try:
        labels = _labels(file, frame, options.target)
        missing = missing_of(options)
        _refuse_unknown("columns", options.columns, frame)
        _refuse_unknown("missing", missing.by_column, frame)
        frame = _with_kinds(frame, options.columns, missing)
        frame, dropped = _with_target(frame, labels, options)
        target = _target(frame, options, labels, missing)
        if options.weight is not None:
            refuse_absent(file, frame, [options.weight], "a column of weights")
            row_weights(frame, options.weight)
        inputs = frame.columns.drop([*target.columns, *filter(None, [options.weight])])
        _refuse_misread(frame, inputs)
        frame = _with_categories(frame, inputs)
        train, test = hold_out(
            frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
        )
    except ValueError as error:
        raise ValueError(f"{file.path}: {error}") from error
    return RawTable(
        file.path.stem, train, test, target, options.weight, missing=missing, dropped=dropped
    )


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
        else:
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
