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
from sparse_keras._internal.yaml_text import yaml_flow
from sparse_keras.data.tabular.column_kinds import ColumnKinds, apply_kinds
from sparse_keras.data.tabular.columns import (
    all_errors,
    category_keys,
    is_categorical,
    numeric_values,
    row_number,
)
from sparse_keras.data.tabular.formats import NPZFile
from sparse_keras.data.tabular.formats.base import is_unnamed
from sparse_keras.data.tabular.misreadings import (
    MISREAD_TARGETS,
    misreading,
    target_advice,
)
from sparse_keras.data.tabular.missing import MissingValues
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.number_formats import NumberFormat
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
    refuse_other_format,
    sample_rows,
)
from sparse_keras.data.tabular.target_inference import (
    infer_labels,
    infer_target,
    with_positive,
)
from sparse_keras.data.tabular.weights import row_weights
from sparse_keras.schema.sections.tabular.columns import DateKind, NumericKind, TextKind, kind_of


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
    declared = {name: kind_of(setting) for name, setting in options.columns.items()}
    text = [
        name
        for name, kind in declared.items()
        if not (isinstance(kind, NumericKind) and kind.is_plain)
    ]
    file = open_file(options.path, text)
    frame, sampled = _rows(file, options)
    with _naming(file):
        labels = _labels(file, frame, options.target)
        missing = missing_of(options)
        _refuse_unknown("columns", options.columns, frame)
        _refuse_unknown("missing", missing.by_column, frame)
        by = splitting_column(file, frame, options.split)
        formats = _formats_of_targets(labels, options)
        frame = _with_numbers(frame, formats, missing)
        frame, dropped = _with_target(frame, labels, options)
        target = _target(frame, options, labels, missing, formats)
        if options.weight is not None:
            refuse_absent(file, frame, [options.weight], "a column of weights")
            row_weights(frame, options.weight)
        frame = without_splitting_column(frame, options)
        inputs = frame.columns.drop([*target.columns, *filter(None, [options.weight])])
        frame, kinds = _typed_inputs(frame, inputs, options, missing)
    others = {}
    for part, path in named_paths(options).items():
        text = [*text, *(name for name in frame if is_categorical(frame[name]))]
        other = open_file(path, text)
        *others[part], without, is_sample = _read_like(other, frame, target, inputs, kinds, options)
        dropped += without
        sampled |= is_sample
    with _naming(file):
        frames, split = split_frame(frame, by, target, options, others, kinds)
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
        kinds=kinds,
    )


def _rows(file, options):
    """The rows of a file, and whether they are a random sample."""
    refuse_other_format(file)
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


def _read_like(file, train, target, inputs, kinds, options):
    """Reads the validation or test rows of a file of their own.

    Args:
        file: A `TableFile`.
        train: DataFrame of the rows of the training file, with its target, weights and inputs.
        target: The `Target` or `MultiTarget` of these.
        inputs: The names of the inputs.
        kinds: The `ColumnKinds` of the training file.
        options: The validated `data` section.

    Returns:
        `(rows, values of the column of data.split or None, number of rows left out, whether the
        rows are a random sample)`.
    """
    frame, sampled = _rows(file, options)
    with _naming(file):
        if lacking := [name for name in train.columns if name not in frame]:
            raise ValueError(
                f"lacks {len(lacking)} column{'s' * (len(lacking) > 1)} of {options.path}: "
                f"{listing(lacking)}.{did_you_mean(lacking[0], frame.columns)}{file.hint(frame)} "
                f"Columns of the file: {listing(frame.columns)}."
            )
        by = frame.get(getattr(options.split, "column", None))
        frame = frame[list(train.columns)]
        formats = {one.name: one.number_format for one in target.targets}
        frame = _with_numbers(frame, formats, missing_of(options))
        frame, dropped = _with_target(frame, target.columns, options)
        target.encode(frame)  # Raises if there are other classes.
        if options.weight is not None:
            row_weights(frame, options.weight)
        inputs = inputs.intersection(train.columns, sort=False)
        missing = missing_of(options)
        frame, _, errors = apply_kinds(frame, kinds, missing, inputs)
        for name in inputs:
            if name in errors or not pd.api.types.is_numeric_dtype(train[name].dtype):
                continue
            try:
                values = numeric_values(frame[name], missing.declared(name))
            except ValueError as error:
                errors[name] = str(error)
                continue
            frame[name] = pd.Series(values, index=frame.index)
            if wrong := _infinite(frame[name]):
                errors[name] = wrong
        if errors:
            raise ValueError(all_errors(list(errors.values())))
        frame = _with_categories(frame, inputs, kinds)
    by = None if by is None else by.loc[frame.index]
    return frame.reset_index(drop=True), by, dropped, sampled


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


def _formats_of_targets(labels, options):
    """The `NumberFormat`s of targets that `data.columns` declares to be numbers, by name."""
    declared = {
        name: kind_of(setting) for name, setting in options.columns.items() if name in labels
    }
    kinds = ColumnKinds(declared, getattr(options, "decimal", "."))
    return {name: kinds.number_format(name) or NumberFormat() for name in declared}


def _with_numbers(frame, formats, missing):
    """The table with the numbers of targets that are written in a `NumberFormat`."""
    numbers = {
        name: pd.Series(numeric_values(frame[name], missing.declared(name), format), frame.index)
        for name, format in formats.items()
        if format is not None and is_categorical(frame[name])
    }
    return frame.assign(**numbers)


def _target(frame, options, labels, missing, formats):
    if isinstance(options.target, Mapping):
        targets = [
            _inferred_target(_present(frame[name]), task, options, missing, formats.get(name))
            for name, task in options.target.items()
        ]
        return MultiTarget("targets", tuple(targets))
    if len(labels) > 1:
        name = options.target if isinstance(options.target, str) else "labels"
        return infer_labels(frame, labels, name)
    (name,) = labels
    return _inferred_target(frame[name], options.task, options, missing, formats.get(name))


def _present(values):
    """The rows that have a target."""
    present = np.not_equal(category_keys(values), None)
    if not present.any():
        raise ValueError(f"target {values.name!r} is missing in every row. Leave it out.")
    return values[present]


def _inferred_target(values, task, options, missing, number_format):
    found = misreading(values)
    if found and found.kind in MISREAD_TARGETS:
        advice = target_advice(found, values.name)
        raise ValueError(f"target {values.name!r} holds {found.what}. {advice}")
    target = infer_target(values, task, options.ignore_case)
    if getattr(options, "positive", None) is not None:
        target = with_positive(target, options.positive)
    declared = missing.declared(values.name)
    return replace(target, missing_values=declared, number_format=number_format)


def _refuse_unknown(key, names, frame):
    for name in names:
        if name not in frame:
            raise ValueError(
                f"data.{key} names {name!r}, which the file does not have."
                f"{did_you_mean(name, frame.columns)} Columns of the file: "
                f"{listing(frame.columns)}."
            )


def _typed_inputs(frame, inputs, options, missing):
    """The table whose inputs have the types of their kinds, and the `ColumnKinds`.

    Raises:
        ValueError: If columns would be misread. It lists all of them.
    """
    declared = {name: kind_of(setting) for name, setting in options.columns.items()}
    kinds = ColumnKinds(declared, getattr(options, "decimal", "."))
    frame, kinds, errors = apply_kinds(frame, kinds, missing, inputs)
    proposal = {"missing": {}, "columns": {}}
    for name in inputs.intersection(frame.columns, sort=False):
        if is_unnamed(name) and name not in declared:
            errors[name] = (
                f"column {name!r} has no name in the file, as the numbers or names of rows have "
                f"none. Set data.columns: {yaml_flow({name: 'ignore'})}, or what it holds."
            )
            proposal["columns"][name] = "ignore"
            continue
        if isinstance(kinds.kinds.get(name), TextKind | DateKind):
            continue
        if found := _misread(frame[name]):
            errors[name], keys = found  # It has the advice.
            for key, entry in keys.items():
                proposal[key] |= {name: entry}
    if errors:
        raise ValueError(all_errors(list(errors.values())) + _proposed(proposal, len(errors)))
    return _with_categories(frame, inputs, kinds), kinds


def _with_categories(frame, inputs, kinds):
    """The table in which the inputs of categories are of that dtype: they were checked."""
    for name in inputs.intersection(frame.columns, sort=False):
        if isinstance(kinds.kinds.get(name), TextKind | DateKind):
            continue
        if is_categorical(frame[name]) and not isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = pd.Series(pd.Categorical(category_keys(frame[name])), index=frame.index)
    return frame


def _misread(series):
    """Why an input would be misread, and what to set: `{key of data: its entry for the column}`.

    None if it would not.
    """
    name = series.name
    if series.isna().all():
        return (
            f"column {name!r} has no value, so that nothing can be learned from it. Remove it from "
            f"the file, or set data.columns: {yaml_flow({name: 'ignore'})}.",
            {"columns": "ignore"},
        )
    if is_categorical(series):
        found = misreading(series)
        if found is None:
            return None
        error = f"column {name!r} holds {found.what}. {found.advice(name)}"
        keys = {"missing": list(found.words), "columns": found.setting}
        return error, {key: entry for key, entry in keys.items() if entry}
    infinite = _infinite(series)
    return None if infinite is None else (infinite, {"columns": "ignore"})


def _infinite(series):
    """What is wrong with a column of numbers that are not finite, or None."""
    infinite = np.isinf(numeric_values(series))
    if not infinite.any():
        return None
    more = f", and {infinite.sum() - 1:,} more" if infinite.sum() > 1 else ""
    return (
        f"column {series.name!r} must hold finite numbers. Received: "
        f"{series.iloc[infinite.argmax()]} in row {row_number(series, infinite.argmax())} (the "
        f"first row of data is 1){more}. Leave those cells empty for missing, or set data.columns: "
        f"{yaml_flow({series.name: 'ignore'})}."
    )


def _proposed(keys, errors):
    """The keys that settle all errors, as one writes them, and what else a column can be."""
    lines = [
        "In data.columns, 'ignore' leaves a column out, and 'categorical' takes each value "
        "for a category."
    ]
    if errors > 1:
        lines.append("Keys of data that settle this:")
        lines += [f"  {key}: {yaml_flow(entries)}" for key, entries in keys.items() if entries]
    return "".join(f"\n{line}" for line in lines)
