"""Tables as scikit-learn passes them: data frames, arrays and sparse matrices."""

import re
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, validate_data

from sparse_keras._internal.suggest import did_you_mean, listing
from sparse_keras.data import SparseTable
from sparse_keras.data.csr import is_matrix
from sparse_keras.data.tabular.missing import MissingValues, with_missing
from sparse_keras.data.tabular.native import to_pandas

# Text of digits that starts with 0 is a code, such as a zip code, and no number.
_CODE = re.compile(r"\s*[-+]?0[0-9]")


def as_table(estimator: Any, X: Any, reset: bool) -> pd.DataFrame | SparseTable:
    """Checks a table as scikit-learn does, its names and its number of columns.

    Args:
        estimator: The estimator, which learns or has learned the names and number of columns. Its
            `_columns` are what the model calls them.
        X: DataFrame of any library, array or sparse matrix `[N, D]`. An array may hold objects,
            such as numbers in one column and text in another.
        reset: Whether the estimator learns from this table. Otherwise it must have the same
            columns; an array is taken by position, with scikit-learn's warning.

    Returns:
        A DataFrame whose columns have the names of the training, or `x0`, `x1`, ... if there are
        none; or a `SparseTable`.

    Raises:
        ValueError: If the table is none, or has other columns than in training.
    """
    X = to_pandas(X)
    if is_matrix(X):
        X = validate_data(estimator, X, reset=reset, accept_sparse="csr", dtype="numeric")
        if reset:
            estimator._columns = None
        return SparseTable(X)
    if isinstance(X, pd.DataFrame):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        frame = X.reset_index(drop=True)
    else:
        X = validate_data(estimator, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
        frame = _frame_of_array(X, reset)
    numbered = [f"x{number}" for number in range(frame.shape[1])]
    if reset:
        estimator._columns = list(getattr(estimator, "feature_names_in_", numbered))
    # Not `feature_names_in_`, which SHAP sets to None so that nothing warns.
    frame.columns = estimator._columns or numbered
    return frame


def _frame_of_array(X, reset):
    if X.dtype.kind in "US":
        if reset:
            raise ValueError(
                "Expected an array of numbers or objects, or a DataFrame. Received an array of "
                f"text, {X.dtype}: NumPy makes text of numbers that stand beside text. Pass "
                "pandas.DataFrame(rows), whose columns have types of their own."
            )
        X = X.astype(object)
    if X.dtype.kind == "O":
        X = np.where(pd.isna(X), np.nan, X)
        try:
            X = check_array(X, dtype="numeric", ensure_all_finite="allow-nan", input_name="X")
        except ValueError:  # There is text in it: some columns are categories.
            return pd.DataFrame(X).infer_objects()
    return pd.DataFrame(X)


def mark_missing(
    table: pd.DataFrame | SparseTable, setting: Any
) -> tuple[pd.DataFrame | SparseTable, MissingValues]:
    """Makes values missing that the argument `missing` of an estimator declares so.

    Args:
        table: The rows to learn from.
        setting: Words and numbers; or a dict of them by column.

    Returns:
        The table, and the `MissingValues`, by which rows to predict are encoded.

    Raises:
        ValueError: If the argument is something else, names no column, or the table is sparse.
    """
    by_column = setting if isinstance(setting, dict) else {None: () if setting is None else setting}
    if any(
        isinstance(values, str) or not isinstance(values, Collection)
        for values in by_column.values()
    ):
        raise ValueError(
            "`missing` must be a list of words and numbers, or a dict of such lists by column. "
            f"Received: {setting!r}."
        )
    missing = MissingValues.of(setting)
    if not missing.is_declared:
        return table, missing
    if isinstance(table, SparseTable):
        raise ValueError(
            "`missing` needs a table with dense columns: no value of a sparse matrix is missing. "
            f"Received: missing={setting!r}."
        )
    for name in missing.by_column:
        if name not in table.columns:
            raise ValueError(
                f"`missing` names the column {name!r}. Expected one of {listing(table.columns)}."
                f"{did_you_mean(name, table.columns)}"
            )
    return with_missing(table.copy(deep=False), missing, _as_numbers), missing


def _as_numbers(series):
    """A column of text as numbers, if all of it is: `pandas.read_csv` reads "39" as text where
    another cell is "unknown"."""
    if any(_CODE.match(value) for value in series.dropna() if isinstance(value, str)):
        return series
    try:
        return pd.to_numeric(series)
    except (TypeError, ValueError):
        return series


def free_name(name: str, taken: Collection[str]) -> str:
    """A name like `name` that no column has."""
    while name in taken:
        name += "_"
    return name
