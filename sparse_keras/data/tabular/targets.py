"""What is predicted: the target column, its task and classes, and its encoding.

`Target` is stored with a run. `target_inference.py` finds one for a user's file. Several targets
at once are a `MultiTarget`, in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data.tabular.columns import (
    as_frame,
    category_key,
    category_keys,
    for_each_category,
    is_categorical,
    numeric_values,
    row_number,
)
from sparse_keras.data.tabular.missing import MISSING_AMONG_NUMBERS
from sparse_keras.data.tabular.number_formats import NumberFormat
from sparse_keras.tasks import TASKS, Binary, Multiclass, Multilabel, Regression, Task

# What a value is instead of the number of a class.
_MISSING, _UNKNOWN = -1, -2
# By their keys as categories: whole numbers and bools, also as text.
_LABELS = {"0": 0, "1": 1, "false": 0, "true": 1}


@dataclass(frozen=True)
class Target:
    """What a model predicts.

    Args:
        name: The target's column; for "multilabel" the name of the group of label columns.
        task: One of "binary", "multiclass", "multilabel", "regression".
        classes: The classes, the positive one last for "binary"; for "multilabel" the
            label columns; empty for "regression".
        mean: Mean over the training rows ("regression" only). Targets are not standardised;
            a head may start from these.
        std: Standard deviation over the training rows ("regression" only).
        missing_values: Words and numbers that mean "missing" beside the usual words.
        number_format: The `NumberFormat` of numbers that are written with a currency, a unit or
            separators of thousands; None for that of Python.
    """

    name: str
    task: str
    classes: tuple = ()
    mean: float | None = None
    std: float | None = None
    missing_values: tuple = ()
    number_format: NumberFormat | None = None

    def __post_init__(self):
        if self.task not in TASKS:
            raise ValueError(
                f"task must be one of {listing(TASKS)}. Received: {self.task!r}."
                f"{did_you_mean(self.task, TASKS)}"
            )

    def as_task(self) -> Task:
        """Returns what is asked of a model, without the columns that hold the target."""
        if self.task == "binary":
            return Binary(self.name, self.classes)
        if self.task == "multiclass":
            return Multiclass(self.name, self.classes)
        if self.task == "multilabel":
            return Multilabel(self.name, self.classes)
        if self.task != "regression":
            raise ValueError(f"A table's target cannot have the task {self.task!r}.")
        return Regression(self.name, self.mean or 0.0, 1.0 if self.std is None else self.std)

    @property
    def targets(self):
        """Itself, as a tuple: of a `MultiTarget` its members."""
        return (self,)

    @property
    def outputs(self):
        """Width of the model's output: one unit per class or label, else one."""
        return len(self.classes) if self.task in ("multiclass", "multilabel") else 1

    @property
    def columns(self):
        """The raw columns that hold the target, which are therefore no inputs."""
        return self.classes if self.task == "multilabel" else (self.name,)

    def encode(self, values):
        """Encodes raw target values for `fit`.

        Args:
            values: A column of raw values, or a table (DataFrame, dict) that holds it. For
                "multilabel" a table with the label columns, or an array `[N, L]`.

        Returns:
            "binary": float32 `[N]`, 1 for the last class. "multiclass": int32 `[N]`.
            "multilabel": float32 `[N, L]`. "regression": float32 `[N]`.

        Raises:
            ValueError: If a value is missing or is none of the classes. A class in another case,
                such as "YES" for "Yes", is that class if it is the only one that differs in case.
        """
        if isinstance(values, (pd.DataFrame, Mapping)):
            values = as_frame(values, self.columns)
        if self.task == "multilabel":
            return self._encode_labels(values)
        if isinstance(values, pd.DataFrame):
            values = values[self.name]
        elif not isinstance(values, pd.Series):
            values = pd.Series(values, name=self.name)
        values = self._as_numbers(values)
        if self.task == "regression":
            with np.errstate(over="ignore"):
                numbers = numeric_values(values, self.missing_values).astype("float32")
            refuse_rows(~np.isfinite(numbers), values, "missing or infinite in float32")
            return numbers

        encoded = for_each_category(values, self._code, "int32")
        refuse_rows(encoded == _MISSING, values, "missing", self._read_as_missing())
        unknown = encoded == _UNKNOWN
        if unknown.any():
            first = category_keys(values[unknown].iloc[:1])[0]
            raise ValueError(
                f"Target {self.name!r} must be one of {listing(self.classes)}. Received: "
                f"{first!r} ({int(unknown.sum())} rows hold none of them)."
                f"{did_you_mean(first, self.classes)}"
            )
        return encoded.astype("float32") if self.task == "binary" else encoded

    def _as_numbers(self, values):
        """The values, as numbers if they are written in a format."""
        if self.number_format is None or not is_categorical(values):
            return values
        numbers = numeric_values(values, self.missing_values, self.number_format)
        return pd.Series(numbers, values.index, name=values.name)

    def _read_as_missing(self):
        """What may have made a class missing, a sentence or ""."""
        words = [one for one in self.classes if one in MISSING_AMONG_NUMBERS]
        if not words:
            return ""
        return (
            f" Or is it the class {words[0]!r}? pandas.read_csv reads that as missing, unless it "
            "gets keep_default_na=False."
        )

    @cached_property
    def _codes(self):
        keys = [category_key(one) for one in self.classes]
        declared = map(category_key, self.missing_values)
        words = dict.fromkeys([None, *MISSING_AMONG_NUMBERS, *declared], _MISSING)
        codes = {key: code for code, key in enumerate(keys)}
        # Spellings in another case, where that is certain.
        folded = [key.casefold() for key in keys]
        other_case = {key: code for code, key in enumerate(folded) if folded.count(key) == 1}
        return other_case | words | codes

    def _code(self, value):
        """The number of a class; `_MISSING` or `_UNKNOWN`."""
        key = category_key(value)
        codes = self._codes
        return codes.get(key, codes.get(key and key.casefold(), _UNKNOWN))

    def missing(self, frame, how="all"):
        """Returns which rows have no value of the target, bool `[N]`.

        Args:
            frame: A table with the target's columns.
            how: Whether "all" of the target's columns are missing in such a row, or "any".
        """
        frame = as_frame(frame, self.columns)
        reduce = np.all if how == "all" else np.any
        return reduce([self._missing_in(frame[name]) for name in self.columns], axis=0)

    def _missing_in(self, series):
        series = self._as_numbers(series)
        if self.task in ("binary", "multiclass"):
            return for_each_category(series, self._code, "int32") == _MISSING
        if self.task == "regression" and not is_categorical(series):
            return np.isnan(numeric_values(series, self.missing_values))
        if self.task == "regression":  # Text that is no number raises an error elsewhere.
            keys = for_each_category(series, self._missing_key, object)
            return np.equal(keys, None)
        return np.equal(category_keys(series), None)

    def _missing_key(self, value):
        """The key of a value that may be a number; None if it is missing."""
        key = category_key(value)
        return None if key in self._missing_keys else key

    @cached_property
    def _missing_keys(self):
        return {*MISSING_AMONG_NUMBERS, *map(category_key, self.missing_values)}

    def encode_present(self, frame):
        """`encode` of a table in which the target is missing in some rows.

        Returns:
            `(y, present)`: what `encode` gives, 0 in the rows without; and bool `[N]`.
        """
        frame = as_frame(frame, self.columns)
        present = ~self.missing(frame)
        # By labels of the index, so that messages know the rows.
        there = frame[present]
        if self.task == "multilabel":
            encoded = self._encode_labels(there)
        else:
            encoded = self.encode(there[self.name])
        y = np.zeros((len(frame), *encoded.shape[1:]), encoded.dtype)
        y[present] = encoded
        return y, present

    def with_statistics(self, y):
        """The same with the mean and the deviation of encoded values, for "regression"."""
        if self.task != "regression":
            return self
        return replace(self, mean=float(y.mean(dtype="f8")), std=float(y.std(dtype="f8")))

    def _encode_labels(self, values):
        if isinstance(values, pd.DataFrame):
            return np.stack([label_values(values[name]) for name in self.classes], axis=1)
        labels = np.asarray(values, "float64")
        if labels.ndim != 2 or labels.shape[1] != self.outputs:
            raise ValueError(
                f"Target {self.name!r} expects an array of shape [N, {self.outputs}]. "
                f"Received shape: {list(labels.shape)}."
            )
        if not np.isin(labels, (0, 1)).all():
            raise ValueError(f"The labels of target {self.name!r} must all be 0 or 1.")
        return labels.astype("float32")


def label_values(values):
    """A label column as float32 `[N]` of 0 and 1."""
    keys = category_keys(values)
    numbers = np.array([_LABELS.get(key, -1) for key in keys], "float32")
    bad = numbers < 0
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"Label {values.name!r} must be 0 or 1 (or True or False) in every row. Received: "
            f"{keys[first] or 'nothing'} in row {row_number(values, first)} (the first row of "
            f"data is 1), and {int(bad.sum()) - 1} more."
        )
    return numbers


def refuse_rows(bad, values, what, doubt=""):
    """Raises a `ValueError` if rows of a target are bad, which says how many and which is first."""
    if bad.any():
        raise ValueError(
            f"Target {values.name!r} is {what} in {int(bad.sum())} of {len(bad)} rows, first in "
            f"row {row_number(values, bad.argmax())} (the first row of data is 1). "
            f"Remove those rows.{doubt}"
        )
