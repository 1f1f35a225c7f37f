"""What a table seems to hold: its task, and the columns from which nothing can be learned.

For suggestions: what would make a reader refuse an input is here a reason to leave it out.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.columns import is_categorical, is_missing, numeric_values
from sparse_keras.data.tabular.fitting import MAX_MAGNITUDE
from sparse_keras.data.tabular.misreadings import MISREAD_TARGETS, misreading
from sparse_keras.data.tabular.targets import Target, infer_target

_FEW_ROWS = 50
_FEW_VALUES = 5  # With fewer, the training rows may have none.
_ID_NAME = re.compile(r"(?:.*[^a-z])?(?:id|uuid|guid|index|rownum|rowid)", re.A)


@dataclass(frozen=True)
class TableDescription:
    """What `describe_table` returns.

    Args:
        target: The `Target`.
        ignore: The columns better left out, `{name: reason}`; a reason follows "holds".
    """

    target: Target
    ignore: dict


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
    found = misreading(frame[target]) if is_categorical(frame[target]) else None
    if found and found.kind in MISREAD_TARGETS:
        raise ValueError(f"Target {target!r} holds {found.what}. {found.advice(target)}")
    reasons = {name: _useless(frame[name]) for name in frame.columns if name != target}
    return TableDescription(
        infer_target(frame[target]), {name: reason for name, reason in reasons.items() if reason}
    )


def _useless(series):
    """Why nothing can be learned from an input, in words after "holds", or ""."""
    present = series[[not is_missing(value) for value in series]]
    if present.empty:
        return "no value"
    if len(present) < _FEW_VALUES < len(series):
        return f"values in {len(present)} of {len(series)} rows only"
    if is_categorical(series):
        found = misreading(series)
        return f"{found.what}. {found.advice(series.name)}" if found else ""
    values = numeric_values(present)
    beyond = ~(np.abs(values) < MAX_MAGNITUDE)
    if beyond.any():
        return f"{values[beyond.argmax()]} in row {int(present.index[beyond.argmax()]) + 1}"
    return "a different number in each row (an identifier)" if _is_identifier(present) else ""


def _is_identifier(series):
    """Whether whole numbers, all distinct, count rows or are called an identifier."""
    if not pd.api.types.is_integer_dtype(series.dtype) or len(series) <= _FEW_ROWS:
        return False
    if not series.is_unique:
        return False
    counts_rows = (series.diff().iloc[1:] == 1).all()
    return bool(counts_rows or _ID_NAME.fullmatch(str(series.name).lower()))
