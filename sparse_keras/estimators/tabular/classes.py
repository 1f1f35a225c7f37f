"""Classes as scikit-learn passes them in `y`: one for each row, labels, or one for each target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from sparse_keras._internal.suggest import listing
from sparse_keras.data.csr import is_matrix
from sparse_keras.data.tabular.columns import category_key
from sparse_keras.estimators.tabular.table import free_name


def check_classes(y: Any, estimator_name: str) -> list[np.ndarray]:
    """Checks the classes of rows as scikit-learn does.

    Args:
        y: Classes `[N]` or `[N, T]`.
        estimator_name: What errors call the estimator.

    Returns:
        A list of T arrays `[N]`, each with a type of its own.

    Raises:
        ValueError: If there are no classes, some are missing, or they are no classes.
    """
    if y is None:
        raise ValueError(f"{estimator_name} requires y to be passed, but the target y is None")
    if is_matrix(y):
        check_array(y)  # Its error says that y must be dense.
    if not isinstance(y, (pd.DataFrame, pd.Series)):
        y = np.asarray(y)
    missing = np.atleast_1d(pd.isna(np.asarray(y, dtype=object)))
    gone = missing.any(axis=tuple(range(1, missing.ndim))).sum()
    if gone:
        raise ValueError(f"Input y contains NaN: {gone} of {len(missing)} rows have no class.")
    if isinstance(y, pd.DataFrame):
        columns = [y.iloc[:, number].to_numpy() for number in range(y.shape[1])]
    elif y.ndim == 2 and y.shape[1] > 1:
        columns = list(y.T)
    else:
        check_classification_targets(y)
        return [column_or_1d(y, warn=True)]
    if len(columns) == 1:
        return check_classes(columns[0][:, None], estimator_name)
    for column in columns:
        check_classification_targets(column)
    return columns


def is_multilabel(columns: Sequence[np.ndarray]) -> bool:
    """Whether columns hold several labels of each row, 0 or 1."""
    return len(columns) > 1 and all(
        column.dtype.kind in "biuf" and np.isin(column, (0, 1)).all() for column in columns
    )


def distinct(values: np.ndarray, estimator_name: str) -> np.ndarray:
    """Returns the classes of a target in order.

    Raises:
        ValueError: If there are fewer than two.
    """
    classes = np.unique(values)
    if len(classes) < 2:
        raise ValueError(
            f"{estimator_name} needs at least two classes. Received {len(classes)} class: "
            f"{listing(classes.tolist())}."
        )
    return classes


def codes_of(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Returns the number of each class, `[N]`.

    Raises:
        ValueError: If a value is none of the classes.
    """
    numbers = {value: number for number, value in enumerate(classes.tolist())}
    values = values.tolist()
    codes = np.array([numbers.get(value, -1) for value in values], int)
    if unknown := [value for value in values if value not in numbers]:
        raise ValueError(
            f"y must hold the classes {listing(classes.tolist())}. Received: {unknown[0]!r} "
            f"({len(unknown)} of {len(values)} rows hold none of them)."
        )
    return codes


def names_of(classes: np.ndarray) -> tuple[Any, ...]:
    """Returns what a model calls classes: themselves, so that a saved model predicts them.

    Where a table could not tell them apart, such as 1 and "1", or cannot hold them, they have
    numbers.
    """
    names = tuple(classes.tolist())
    keys = {category_key(one) for one in names if isinstance(one, (str, int, float))}
    if None not in keys and len(keys) == len(names):
        return names
    return tuple(range(len(names)))


def labels_of(y: Any, names: Sequence[str]) -> pd.DataFrame:
    """Returns labels as a table, float32 `[N, L]`.

    Raises:
        ValueError: If there are more or fewer of them than names, or one is neither 0 nor 1.
    """
    y = check_array(y, accept_sparse=False, dtype="float32", input_name="y")
    if y.shape[1] != len(names) or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"y must hold {len(names)} labels for each row, 0 or 1. Received: shape {y.shape}."
        )
    return pd.DataFrame(y, columns=list(names))


def target_names(y: Any, count: int, prefix: str, taken: set[str]) -> tuple[str, ...]:
    """Names for several targets: those of a DataFrame's columns, or numbered ones."""
    if isinstance(y, pd.DataFrame) and all(isinstance(name, str) for name in y.columns):
        names = list(y.columns)
    else:
        names = [f"{prefix}_{number}" for number in range(count)]
    taken = set(taken)
    for number, name in enumerate(names):
        names[number] = free_name(name, taken)
        taken.add(names[number])
    return tuple(names)


def side_by_side(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Returns T columns `[N]` as an array `[N, T]`, of objects if text stands beside numbers."""
    text = {column.dtype.kind in "OUS" for column in columns}
    return np.stack([one.astype(object) for one in columns] if len(text) > 1 else columns, axis=1)


def class_weights(
    class_weight: Any, classes: Sequence[np.ndarray], codes: np.ndarray
) -> np.ndarray | None:
    """Returns what rows count by their classes, `[N]`, as scikit-learn's `compute_sample_weight`.

    Args:
        class_weight: None, `"balanced"`, a dict from classes to weights, or a list of such dicts.
        classes: The classes of each of T targets or labels.
        codes: The number of each row's class, `[N, T]`. Not all classes need occur.

    Raises:
        ValueError: If scikit-learn refuses the weights, one is negative, or there are not as many
            dicts as targets.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, dict):
        class_weight = [class_weight]
    for given in class_weight if isinstance(class_weight, list) else ():
        if isinstance(given, dict) and any(not weight >= 0 for weight in given.values()):
            raise ValueError(f"class_weight must not be negative. Received: {given!r}.")
    if not isinstance(class_weight, list):
        return compute_sample_weight(class_weight, codes if len(classes) > 1 else codes[:, 0])
    if len(class_weight) != len(classes):
        raise ValueError(
            f"class_weight must be a list of {len(classes)} dicts, one for each target. Received: "
            f"{len(class_weight)}."
        )
    # Of all classes, since a part of the rows may not have them all.
    weights = [
        compute_class_weight(given, classes=known, y=known)[codes[:, number]]
        for number, (given, known) in enumerate(zip(class_weight, classes, strict=True))
    ]
    return np.prod(weights, axis=0)
