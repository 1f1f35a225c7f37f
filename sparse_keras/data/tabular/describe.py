"""What a table seems to hold: its task, and the columns from which nothing can be learned.

For suggestions: what would make a reader refuse an input is here a reason to leave it out, and what
would be guessed silently is a note.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.columns import category_keys, is_categorical, numeric_values
from sparse_keras.data.tabular.fitting import MAX_MAGNITUDE
from sparse_keras.data.tabular.misreadings import MISREAD_TARGETS, misreading
from sparse_keras.data.tabular.missing import MISSING_AMONG_NUMBERS
from sparse_keras.data.tabular.target_inference import MAX_INTEGER_CLASSES, infer_target
from sparse_keras.data.tabular.targets import Target

_FEW_ROWS = 50
_FEW_VALUES = 5  # With fewer, the training rows may have none.
_ID_NAME = re.compile(r"(?:.*[^a-z])?(?:id|uuid|guid|index|rownum|rowid)", re.A)
# Least share of distinct values in a column with the name of an identifier, and least share of rows
# that are one more than the row before in a column that counts rows.
_DISTINCT, _COUNTED = 0.9, 0.99
# Words, in any case, and numbers that often mean "missing".
_LIKE_MISSING = {word.casefold() for word in MISSING_AMONG_NUMBERS} | {
    "-", "--", ".", "unknown", "missing", "not available", "undefined",
}  # fmt: skip
_SENTINELS = (-9, -99, -999, -9999, -99999, 999, 9999, 99999)
_MANY_CATEGORIES = 100
_MOST_WORDS = 5  # More words among numbers are hardly ways to write "missing".


@dataclass(frozen=True)
class TableDescription:
    """What `describe_table` returns.

    Args:
        target: The `Target`.
        why: Why it has this task, and which other one it could have.
        ignore: The columns better left out, `{name: reason}`; a reason follows "holds".
        missing: The words among numbers that seem to mean "missing", `{name: words}`.
        without_target: Number of rows whose target is missing.
        ignore_case: Whether classes differ in case only; they are taken for one.
        notes: What else was decided, `{name: sentence}`.
    """

    target: Target
    why: str
    ignore: dict
    missing: dict = field(default_factory=dict)
    without_target: int = 0
    ignore_case: bool = False
    notes: dict = field(default_factory=dict)


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
    missing = {}
    strays = misreading(frame[target]) if is_categorical(frame[target]) else None
    if strays and strays.kind == "stray words" and len(strays.words) <= _MOST_WORDS:
        missing[target] = strays.words
        numbers = numeric_values(frame[target], strays.words)
        frame = frame.assign(**{target: pd.Series(numbers, frame.index)})
    has_target = np.not_equal(category_keys(frame[target]), None)
    if not has_target.any():
        raise ValueError(f"Target {target!r} is missing in every row.")
    frame = frame[has_target]
    inferred, ignore_case = _target(frame[target])
    reasons, notes = {}, _notes_on_words(frame[target], "class")
    if target in missing:
        notes[target] = f"{strays.what}; data.missing makes them missing values"
    if rare := _rare_classes(frame[target], inferred):
        notes[target] = "; ".join(filter(None, [notes.get(target), rare]))
    for name in frame.columns.drop(target):
        series = frame[name]
        found = misreading(series) if is_categorical(series) else None
        if found and found.kind == "stray words" and len(found.words) <= _MOST_WORDS:
            missing[name] = found.words
            notes[name] = f"{found.what}; data.missing makes them missing values"
        elif reason := _useless(series, found):
            reasons[name] = reason
        else:
            notes |= _notes_on_words(series, "category") or _notes_on_values(series)
    return TableDescription(
        inferred,
        _why(frame[target], inferred),
        reasons,
        missing,
        int((~has_target).sum()),
        ignore_case,
        notes,
    )


def _target(values):
    """The `Target`, and whether it has classes that differ in case only."""
    found = misreading(values) if is_categorical(values) else None
    if found and found.kind in MISREAD_TARGETS:
        raise ValueError(f"Target {values.name!r} holds {found.what}. {found.advice(values.name)}")
    if _is_identifier(values):
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


def _rare_classes(values, target):
    """A note on classes that have hardly any rows, or ""."""
    if target.task not in ("binary", "multiclass"):
        return ""
    sizes = np.bincount(target.encode(values).astype(int), minlength=len(target.classes))
    rare = np.flatnonzero(sizes < _FEW_VALUES)
    if not len(rare):
        return ""
    shown = ", ".join(f"{target.classes[code]!r} ({_rows(sizes[code])})" for code in rare[:4])
    more = f" and {len(rare) - 4} more" if len(rare) > 4 else ""
    return f"too few rows to learn and to test: {shown}{more}"


def _notes_on_words(series, kind):
    """A note on words such as "None" or "-" that are values of a column of text."""
    if not is_categorical(series):
        return {}
    keys = pd.Series(category_keys(series))
    counts = keys[keys.str.casefold().isin(_LIKE_MISSING)].value_counts()
    if counts.empty:
        return {}
    shown = ", ".join(f"{word!r} ({_rows(rows)})" for word, rows in counts.items())
    return {
        series.name: f"taken for a {kind}: {shown}; list it in data.missing if it means missing"
    }


def _notes_on_values(series):
    """A note on a number that seems to mean "missing", or on very many categories."""
    if is_categorical(series):
        keys = pd.Series(category_keys(series)).dropna()
        count = keys.nunique()
        if count > _MANY_CATEGORIES and count > len(keys) / 3:
            note = (
                f"{count:,} categories in {_rows(len(keys))}; most have too few rows to learn from"
            )
            return {series.name: note}
        return {}
    values = series.dropna()
    for sentinel in _SENTINELS:
        others = values[values != sentinel]
        beyond = others.min() >= 0 if sentinel < 0 else others.max() < sentinel / 4
        if len(values) - len(others) > 1 and len(others) and beyond:
            note = f"{sentinel} in {_rows(len(values) - len(others))}, far from the other values"
            return {series.name: f"{note}; list it in data.missing if it means missing"}
    return {}


def _rows(count):
    return f"{count:,} row{'' if count == 1 else 's'}"


def _useless(series, found):
    """Why nothing can be learned from an input, in words after "holds", or "".

    Args:
        series: The column.
        found: Its `Misreading`, or None.
    """
    present = series[series.notna()]
    if present.empty:
        return "no value"
    if len(present) < _FEW_VALUES < len(series):
        return f"values in {len(present)} of {len(series)} rows only"
    if is_categorical(series):
        return f"{found.what}. {found.advice(series.name)}" if found else ""
    values = numeric_values(present)
    beyond = ~(np.abs(values) < MAX_MAGNITUDE)
    if beyond.any():
        return f"{values[beyond.argmax()]} in row {int(present.index[beyond.argmax()]) + 1}"
    return "a different number in each row (an identifier)" if _is_identifier(present) else ""


def _is_identifier(series):
    """Whether whole numbers, nearly all distinct, count rows or are called an identifier."""
    if is_categorical(series) or len(series) <= _FEW_ROWS:
        return False
    values = numeric_values(series)
    if not (values % 1 == 0).all():  # Neither infinite.
        return False
    if _ID_NAME.fullmatch(str(series.name).lower()):
        return series.nunique() >= _DISTINCT * len(series)
    return bool((np.diff(values) == 1).mean() >= _COUNTED)
