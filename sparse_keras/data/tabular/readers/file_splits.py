"""The parts of a user's own table: `data.split`, and files of their own."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sparse_keras.data.tabular.columns import category_keys
from sparse_keras.data.tabular.dates import is_date_dtype
from sparse_keras.data.tabular.split import PARTS, Split
from sparse_keras.data.tabular.split_rows import split_rows, time_range, time_values
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.table_files import refuse_absent
from sparse_keras.schema.sections.tabular.columns import DateKind, kind_of


def named_paths(options):
    """The files of parts that have one, `{part: path}`."""
    paths = {"validation": options.validation_path, "test": options.test_path}
    return {part: path for part, path in paths.items() if path is not None}


def splitting_column(file, frame, split):
    """The column that decides about the part of a row, as it was read; None for random splits."""
    if split.type == "random":
        return None
    refuse_absent(file, frame, [split.column], f"the column of data.split (by {split.type})")
    return frame[split.column]


def without_splitting_column(frame, options):
    """The table without the column of the split, where that is no input.

    Times are an input if they are numbers or dates by their type, or if `data.columns` says of
    which kind they are: as categories, the times of the test rows would all be new.
    """
    split = options.split
    if split.type == "random" or split.column not in frame:
        return frame
    series = frame[split.column]
    if split.type == "time":
        ordered = pd.api.types.is_numeric_dtype(series.dtype) or is_date_dtype(series)
        is_input = ordered or split.column in options.columns
    else:
        is_input = split.type == "group" and split.input
    return frame if is_input else frame.drop(columns=split.column)


def _with_formats(options):
    """The section `data.split`, with the formats that `data.columns` gives to its dates."""
    split = options.split
    if split.type == "time" and split.format is None and split.column in options.columns:
        kind = kind_of(options.columns[split.column])
        if isinstance(kind, DateKind) and kind.formats:
            return split.model_copy(update={"format": kind.formats})
    return split


def split_frame(frame, by, target, options, others):
    """Splits the rows of a file.

    Args:
        frame: DataFrame of the rows, with the target.
        by: The column of `data.split`, or None.
        target: The `Target` or `MultiTarget`.
        options: The validated `data` section.
        others: Dict from the parts that have a file of their own to `(rows, column of the split)`.

    Returns:
        `(frames, split)`: the rows of each part, and the `Split`. Validation rows that are to be
        drawn at random are among the training rows.
    """
    fractions = {"test": options.test_fraction, "validation": options.validation_fraction}
    fractions = {
        part: fraction for part, fraction in fractions.items() if fraction and part not in others
    }
    if by is not None and (fractions or options.split.type == "column"):
        by = by.loc[frame.index]
        by_rule = _with_formats(options)
        parts, split = split_rows(by_rule, by, frame, target, fractions, options.split_seed)
        if options.split.column not in frame:
            note = f"{options.split.column!r} is not an input"
            split = replace(split, notes=(*split.notes, note))
        frames = {
            part: frame[parts == part].reset_index(drop=True)
            for part in PARTS
            if (parts == part).any()
        }
        if options.split.type == "group":
            _warn_of_shared_groups(by, others, options)
    elif "test" in fractions:
        split = Split("random", drawn=("test",))
        held_out = hold_out(
            frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
        )
        frames = dict(zip(("train", "test"), held_out, strict=True))
    else:
        split = Split("random" if fractions else "files")
        frames = {"train": frame.reset_index(drop=True)}
    described = dict(split.parts)
    for part, (rows, values) in others.items():
        frames[part] = rows
        described[part] = _described(named_paths(options)[part], values, _with_formats(options))
    if split.type == "files":
        described["train"] = {"file": Path(options.path).name}
    return frames, replace(split, parts=described)


def _described(path, values, split):
    details = {"file": Path(path).name}
    if split.type == "time" and values is not None:
        try:
            times = time_values(split, values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return time_range(times, split, values) | details
    return details


def _warn_of_shared_groups(by, others, options):
    here = set(category_keys(by)) - {None}
    for part, (_, values) in others.items():
        shared = set() if values is None else here & set(category_keys(values))
        if shared:
            rows = int(np.isin(category_keys(values), list(shared)).sum())
            warnings.warn(
                f"{named_paths(options)[part]}: {rows:,} {part} rows are of {len(shared):,} groups "
                f"of {options.split.column!r} that {options.path} has, too, such as "
                f"{sorted(shared)[0]!r}.",
                stacklevel=2,
            )
