"""Finds the task and the classes of a user's own target column, or of label columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sparse_keras._internal.suggest import did_you_mean, listing, position_of
from sparse_keras._internal.yaml_text import yaml_scalar
from sparse_keras.data.tabular.columns import category_key, category_keys, is_categorical
from sparse_keras.data.tabular.targets import Target, label_values, refuse_rows

MAX_CLASSES = 1000
# An integer column with more distinct values than this is a quantity, not a class.
MAX_INTEGER_CLASSES = 50


def infer_target(values: pd.Series, task: str = "auto", ignore_case: bool | None = None) -> Target:
    """Finds the task and the classes of a target column.

    "auto" reads two distinct values as "binary", text or at most 50 distinct integers as
    "multiclass", any other numbers as "regression". Classes are sorted, whatever their
    case; of two, the second ("yes", 1, True) is the positive one.

    Args:
        values: The target column of all rows, a named Series.
        task: "auto", "binary", "multiclass" or "regression".
        ignore_case: Whether classes of text that differ in case only, such as "Yes" and "yes", are
            one class, which is called by its most frequent spelling. `None` to raise an error.

    Returns:
        A `Target`.

    Raises:
        ValueError: If rows have no target, there is only one class, the task does not fit, a number
            is infinite, or nearly each row has a class of its own.
    """
    keys = category_keys(values)
    refuse_rows(np.equal(keys, None), values, "missing")
    _, first_rows = np.unique(keys.astype(str), return_index=True)
    classes = _sorted_classes(values.iloc[first_rows])
    categorical = is_categorical(values)
    if task != "regression" and ignore_case is not False:
        classes = _without_case(values.name, keys, classes, ignore_case)
    shown = f"{len(classes)} distinct value{'s' * (len(classes) != 1)}: {listing(classes)}"

    if task == "auto":
        if len(classes) <= 2:
            task = "binary"
        elif categorical:
            task = "multiclass"
        elif pd.api.types.is_integer_dtype(values.dtype) and len(classes) <= MAX_INTEGER_CLASSES:
            task = "multiclass"
        else:
            task = "regression"
    if len(classes) < 2:
        raise ValueError(f"Target {values.name!r} must take at least two values. Received {shown}.")
    if task == "regression":
        if categorical:
            raise ValueError(
                f"Target {values.name!r} must hold numbers for task 'regression'. Received {shown}."
            )
        target = Target(values.name, task)
        target.encode(values)  # Raises for infinite numbers.
        return target
    if task == "binary" and len(classes) != 2:
        raise ValueError(
            f"Target {values.name!r} must take exactly two values for task 'binary'. "
            f"Received {shown}. Did you mean task 'multiclass'?"
        )
    if len(classes) > MAX_CLASSES:
        hint = (
            "Is this a column of text or identifiers?" if categorical else "Use task 'regression'."
        )
        raise ValueError(
            f"Target {values.name!r} may have at most {MAX_CLASSES} classes. "
            f"Received {shown}. {hint}"
        )
    if len(values) >= 10 and len(classes) > len(values) / 2:
        hint = "" if categorical else " Use task 'regression' for amounts."
        raise ValueError(
            f"Target {values.name!r} differs from row to row: {len(classes)} classes in "
            f"{len(values)} rows, such as {classes[0]!r}. Classes are learned from several rows of "
            f"each; is it an identifier?{hint}"
        )
    return Target(values.name, task, classes)


def infer_labels(frame, names, name="labels"):
    """Makes the "multilabel" target of label columns.

    Args:
        frame: DataFrame of all rows.
        names: The label columns, each 0 or 1, or bool.
        name: What to call them together.

    Returns:
        A `Target`.

    Raises:
        ValueError: If a label is neither 0 nor 1, or the same in every row.
    """
    for label in names:
        values = label_values(frame[label])
        if (values == values[0]).all():
            raise ValueError(
                f"Label {label!r} must be 0 in some rows and 1 in others. Received "
                f"{int(values[0])} in all {len(values)} rows. Remove it from data.target, and "
                f"ignore the column: data.columns: {{{yaml_scalar(label)}: ignore}}."
            )
    return Target(name, "multilabel", tuple(names))


def _without_case(name, keys, classes, ignore_case):
    """Classes of which each spelling in another case is the same class."""
    spellings = {}
    for one in classes:
        spellings.setdefault(category_key(one).casefold(), []).append(one)
    if len(spellings) == len(classes):
        return classes
    sizes = Counter(keys)
    groups = [
        sorted(group, key=lambda one: -sizes[category_key(one)]) for group in spellings.values()
    ]
    if ignore_case:
        return _sorted_classes([group[0] for group in groups])
    first = next(group for group in groups if len(group) > 1)
    shown = " and ".join(f"{one!r} ({sizes[category_key(one)]} rows)" for one in first)
    raise ValueError(
        f"Target {name!r} has classes that differ in case only: {shown}. Set `ignore_case` "
        "(in a config data.ignore_case) to true to make them one class, or to false."
    )


def _sorted_classes(values):
    classes = []
    for value in values:
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        is_number = isinstance(value, (bool, int, float))
        classes.append(value if is_number else str(value).strip())
    try:
        return tuple(sorted(classes, key=lambda one: (one.lower(), one)))
    except AttributeError:  # Numbers, or numbers and text in one column.
        pass
    try:
        return tuple(sorted(classes))
    except TypeError:
        return tuple(sorted(classes, key=str))


def with_positive(target: Target, positive: Any) -> Target:
    """Returns a target of two classes with the positive one last.

    Args:
        target: The `Target`.
        positive: The class whose probability a model predicts; equal to one of the target's
            classes as category keys are, such as 1 and "1", if need be in another case.

    Raises:
        ValueError: If the target does not have two classes, or no such class.
    """
    if target.task != "binary":
        raise ValueError(
            f"data.positive names the positive one of two classes. The target {target.name!r} is "
            f"{target.task}. Leave it out."
        )
    keys = [category_key(one) for one in target.classes]
    position = position_of(category_key(positive) or "", keys)
    if position is None:
        raise ValueError(
            f"data.positive must be one of the classes {listing(target.classes)}. Received: "
            f"{positive!r}.{did_you_mean(positive, keys)}"
        )
    if position == 1:
        return target
    return replace(target, classes=target.classes[::-1])
