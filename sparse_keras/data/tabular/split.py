"""Split: how the rows of a table were split, in words and as JSON; what is odd about the parts."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import listing
from sparse_keras.data.tabular.columns import numeric_values
from sparse_keras.data.tabular.csr import SparseTable

PARTS = ("train", "validation", "test")
_HEADS = {
    "random": "split at random",
    "official": "test rows of the publisher",
    "files": "split by file",
}


@dataclass(frozen=True)
class Split:
    """How the rows of a table were split.

    Args:
        type: "random", "column", "group", "time", "files" (each part in a file of its own), or
            "official" (the test rows that the publisher has set apart).
        column: The column that decides, if there is one.
        drawn: What depends on `seed`: any of the parts, and "sample" if `data.max_rows` left rows
            out.
        seed: `data.split_seed`.
        parts: What is known of each part, beside its number of rows: `values` of the column, number
            of `groups`, `first` and `last` time, `file`.
        notes: What else was decided, phrases.
    """

    type: str
    column: str | None = None
    drawn: tuple = ()
    seed: int | None = None
    parts: Mapping[str, Mapping] = field(default_factory=dict)
    notes: tuple = ()

    @property
    def fixed(self):
        """Which of the parts are the same for each seed: a tuple of names."""
        if "sample" in self.drawn:
            return ()
        # The training rows are what the drawn parts leave.
        varying = (*self.drawn, "train") if self.drawn else ()
        return tuple(part for part in PARTS if part not in varying)

    def to_dict(self):
        """Returns a dict for JSON, which also has the words of `str`."""
        return {
            "type": self.type,
            "column": self.column,
            "drawn": list(self.drawn),
            "seed": self.seed if self.drawn else None,
            "parts": {part: dict(details) for part, details in self.parts.items()},
            "notes": list(self.notes),
            "description": str(self),
        }

    def __str__(self):
        head = _HEADS.get(self.type) or f"split by {self.type} {self.column!r}"
        details = [f"{part} {_in_words(self.parts[part])}" for part in PARTS if part in self.parts]
        drawn = [part for part in ("test", "validation") if part in self.drawn]
        if drawn and self.type not in ("random", "group"):
            details.append(f"{' and '.join(drawn)} drawn at random")
        notes = list(self.notes)
        if "sample" in self.drawn:
            notes.append("of a random sample of the rows")
        if self.drawn:
            notes.append(f"seed {self.seed}")
        return ", ".join([f"{head} ({'; '.join(details)})" if details else head, *notes])


def _in_words(details):
    words = []
    if "values" in details:
        words.append(listing(details["values"]))
    if "groups" in details:
        words.append(f"{details['groups']:,} group{'s' * (details['groups'] != 1)}")
    if "first" in details:
        first, last = details["first"], details["last"]
        words.append(first if first == last else f"{first} to {last}")
    if "file" in details:
        words.append(f"from {details['file']}")
    return " ".join(words)


def warn_of_absent_classes(target, frames):
    """Warns of classes and labels that a part of the rows lacks.

    Args:
        target: The `Target` or `MultiTarget`.
        frames: Dict from the name of a part to its rows, a DataFrame or a `SparseTable`.

    Raises:
        ValueError: If the training rows have one of two classes only.
    """
    tables = {
        part: frame.targets if isinstance(frame, SparseTable) else frame
        for part, frame in frames.items()
    }
    for one in target.targets:
        if one.task == "regression":
            continue
        counts = {part: _class_counts(one, frame) for part, frame in tables.items()}
        for part, of_part in counts.items():
            absent = np.flatnonzero((of_part == 0) & (sum(counts.values()) > 0))
            if not len(absent) or not of_part.any():
                continue
            what = f"The {part} rows have no {_positive(one)} {_listed(one, absent, counts)}"
            if part == "train" and one.task == "binary":
                raise ValueError(
                    f"{what}: nothing can be learned. Choose another data.split or other rows."
                )
            effect = "cannot be learned" if part == "train" else "do not count in its metrics"
            warnings.warn(f"{what}: they {effect}.", stacklevel=2)


def _positive(target):
    return "row with the label" if target.task == "multilabel" else f"{target.name!r} of"


def _listed(target, absent, counts):
    """Classes, each with the number of rows in the parts that have it."""
    shown = []
    for code in absent[:4]:
        rows = [f"{of_part[code]:,} {part}" for part, of_part in counts.items() if of_part[code]]
        shown.append(f"{target.classes[code]!r} ({' and '.join(rows)} rows have it)")
    return ", ".join(shown) + (f" and {len(absent) - 4} more" if len(absent) > 4 else "")


def _class_counts(target, frame):
    """The number of rows of each class, or with each label: int `[C]`."""
    y, present = target.encode_present(frame)
    if target.task == "multilabel":
        return y[present].astype(int).sum(axis=0)
    return np.bincount(y[present].astype(int), minlength=len(target.classes))


def repeated_rows(frames, columns):
    """Counts the test rows whose inputs are those of a training or validation row.

    Args:
        frames: Dict from the name of a part to its DataFrame.
        columns: The names of the inputs.

    Returns:
        A number of rows.
    """
    seen = [_row_hashes(frames[part], columns) for part in PARTS[:2] if part in frames]
    return int(np.isin(_row_hashes(frames["test"], columns), np.concatenate(seen)).sum())


def _row_hashes(frame, columns):
    inputs = {}
    for name in columns:
        series = frame[name].reset_index(drop=True)
        numeric = pd.api.types.is_numeric_dtype(series.dtype)
        # Whole numbers beside missing ones are floats.
        inputs[name] = numeric_values(series) if numeric else series
    return pd.util.hash_pandas_object(pd.DataFrame(inputs), index=False).to_numpy()
