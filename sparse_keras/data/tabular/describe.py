"""What a table seems to hold: its task, and what becomes of each column.

For suggestions: what would make a reader refuse an input is here an entry in `data.columns` or
`data.missing`, and what would be guessed silently is a reason that is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.column_description import ColumnDescription, describe_column
from sparse_keras.data.tabular.column_kinds import ColumnKinds
from sparse_keras.data.tabular.column_notes import (
    note_on_rare_classes,
    note_on_shares,
    note_on_words,
)
from sparse_keras.data.tabular.columns import category_keys, is_categorical, numeric_values
from sparse_keras.data.tabular.csr import SparseTable
from sparse_keras.data.tabular.describe_inputs import MOST_WORDS, describe_input, is_identifier
from sparse_keras.data.tabular.misreadings import (
    MISREAD_TARGETS,
    misreading,
    target_advice,
)
from sparse_keras.data.tabular.target_inference import MAX_INTEGER_CLASSES, infer_target
from sparse_keras.data.tabular.targets import Target
from sparse_keras.schema.sections.tabular.columns import column_kinds

if TYPE_CHECKING:
    from sparse_keras.data.tabular.table import TabularData

_RARE = 0.2  # Part of the rows of a class below which accuracy says little.


@dataclass(frozen=True)
class TableDescription:
    """What `describe_table` returns.

    Args:
        target: The `Target`.
        why: Why it has this task, and which other one it could have.
        columns: A tuple with the `ColumnDescription` of each column, the target first, then the
            most surprising ones.
        without_target: Number of rows whose target is missing.
        ignore_case: Whether classes differ in case only; they are taken for one.
        positive: The entry for `data.positive`: the rare one of two classes, if it is not the last
            one in alphabetical order. None otherwise.
        shares: Tuple with the part of the rows of each class, in the order of the target's.
    """

    target: Target
    why: str
    columns: tuple = ()
    without_target: int = 0
    ignore_case: bool = False
    positive: Any = None
    shares: tuple = ()

    @property
    def has_rare_class(self) -> bool:
        """Whether one of two classes has so few rows that accuracy says little."""
        return self.target.task == "binary" and min(self.shares) < _RARE

    @property
    def settings(self) -> dict:
        """The entries for `data.columns`, `{name: setting}`."""
        return {one.name: one.setting for one in self.columns if one.setting is not None}

    @property
    def missing(self) -> dict:
        """The entries for `data.missing`, `{name: words}`."""
        return {one.name: one.words for one in self.columns if one.words}

    @property
    def notes(self) -> dict:
        """Why each column is used as it is, `{name: sentence}`, where its values leave a doubt."""
        return {one.name: one.why for one in self.columns if one.why}


def describe_table(frame, target):
    """Describes a table of which only the target's name is known.

    Args:
        frame: DataFrame of all rows, or of a sample.
        target: The column to predict.

    Returns:
        A `TableDescription`.

    Raises:
        ValueError: If there is no such column, or it cannot be a target. Inputs never raise.
    """
    if target not in frame:
        raise ValueError(
            f"The table has no column {target!r}.{did_you_mean(target, frame.columns)} "
            f"Columns: {listing(frame.columns)}."
        )
    if len(frame.columns) == 1:
        raise ValueError(f"The table has no column beside the target {target!r} to learn from.")
    words, setting, note = (), None, ""
    found = misreading(frame[target]) if is_categorical(frame[target]) else None
    if found and found.kind in ("stray words", "numbers") and len(found.words) <= MOST_WORDS:
        words, setting, note = found.words, found.setting, found.reason or found.what
        if words:
            note += "; data.missing makes them missing values"
        number_format = None
        if setting:
            number_format = ColumnKinds(column_kinds({target: setting})).number_format(target)
        numbers = numeric_values(frame[target], words, number_format)
        frame = frame.assign(**{target: pd.Series(numbers, frame.index)})
        found = None
    has_target = np.not_equal(category_keys(frame[target]), None)
    if not has_target.any():
        raise ValueError(f"Target {target!r} is missing in every row.")
    without = int((~has_target).sum())
    frame = frame[has_target]
    inferred, ignore_case = _target(frame[target], found)
    shares = _shares(frame[target], inferred)
    rare = inferred.task == "binary" and shares[0] < _RARE
    if rare:
        inferred = replace(inferred, classes=inferred.classes[::-1])
        shares = shares[::-1]
    notes = [
        note,
        note_on_shares(inferred, shares),
        note_on_words(frame[target], "class"),
        note_on_rare_classes(frame[target], inferred),
    ]
    note = "; ".join(filter(None, notes))
    described = [describe_column(frame[target], "target", note, setting, words, without)]
    inputs = [describe_input(frame[name]) for name in frame.columns.drop(target)]
    inputs.sort(key=lambda column: column.rank)
    return TableDescription(
        inferred,
        _why(frame[target], inferred),
        (*described, *inputs),
        without,
        ignore_case,
        inferred.classes[1] if rare else None,
        tuple(shares),
    )


def _shares(values, target):
    """The part of the rows of each class; none for numbers."""
    if not target.classes:
        return []
    sizes = np.bincount(target.encode(values).astype(int), minlength=len(target.classes))
    return (sizes / len(values)).tolist()


def used_columns(data: TabularData) -> list[ColumnDescription]:
    """Describes how each column of a table that was loaded is used, by its training rows.

    Args:
        data: The `TabularData`.
    """
    frame = data.frames["train"]
    described = []
    for name, kind, detail in data.features.kinds(
        None if isinstance(frame, SparseTable) else frame
    ):
        if isinstance(frame, SparseTable) or name not in frame:
            described.append(ColumnDescription(name, kind, None, None, "", detail))
        else:
            described.append(describe_column(frame[name], kind, detail))
    return described + [
        ColumnDescription(name, "ignore", None, None, "", "data.columns") for name in data.ignored
    ]


def _target(values, found):
    """The `Target`, and whether it has classes that differ in case only.

    Args:
        values: The column, without rows that have no target.
        found: Its `Misreading`, or None.
    """
    if found and found.kind in MISREAD_TARGETS:
        raise ValueError(
            f"Target {values.name!r} holds {found.what}. {target_advice(found, values.name)}"
        )
    if is_identifier(values):
        raise ValueError(
            f"Target {values.name!r} holds a different number in each row, as identifiers and "
            "numbers of rows do, which cannot be predicted. If they are amounts, write a config by "
            "hand, with data.task: regression."
        )
    merged = infer_target(values, ignore_case=True)
    as_written = infer_target(values, ignore_case=False)
    return merged, merged.classes != as_written.classes


def _why(values, target):
    if target.task == "binary":
        return "it has two values"
    count = values.nunique()
    if is_categorical(values):
        return f"it has {count} distinct texts"
    whole = (numeric_values(values) % 1 == 0).all()
    if target.task == "multiclass":
        return (
            f"it has {count} distinct whole numbers (up to {MAX_INTEGER_CLASSES} are classes); set "
            "task: regression if they are counts or amounts"
        )
    if count <= MAX_INTEGER_CLASSES and whole:
        return f"it has {count} numbers with decimals; set task: multiclass if they are classes"
    return f"it has {count} distinct numbers"
