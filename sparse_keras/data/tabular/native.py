"""Tables of any data frame library, as pandas holds them."""

from __future__ import annotations

from typing import Any

import pandas as pd

# Libraries for whose objects narwhals need not be imported: that takes as long as a prediction, and
# TensorFlow warns that it cannot compile it.
_NO_TABLES = (
    "builtins",
    "numpy",
    "pandas",
    "scipy",
    "keras",
    "tensorflow",
    "jax",
    "jaxlib",
    "torch",
)


def is_table(x: Any) -> bool:
    """Returns whether `x` is a data frame, of pandas or another library."""
    return isinstance(x, pd.DataFrame) or _narwhal(x) is not None or hasattr(x, "__dataframe__")


def to_pandas(x: Any) -> Any:
    """Returns a data frame of another library as one of pandas, and anything else as it is.

    Args:
        x: A data frame of polars, PyArrow, Modin, cuDF or another library that narwhals supports,
            or that has a `to_pandas` of its own.

    Raises:
        ValueError: If it is lazy: a query that has no rows yet.
    """
    if isinstance(x, (pd.DataFrame, dict)):
        return x
    frame = _narwhal(x)
    if frame is None:
        return x.to_pandas() if hasattr(x, "__dataframe__") and hasattr(x, "to_pandas") else x
    if not hasattr(frame, "iter_columns"):
        raise ValueError(
            f"Expected a table with its rows in memory. Received a lazy one: {type(x).__module__}."
            f"{type(x).__name__}. Collect it first."
        )
    return pd.DataFrame({column.name: _values(column) for column in frame.iter_columns()})


def _narwhal(x):
    if type(x).__module__.partition(".")[0] in _NO_TABLES:
        return None
    import narwhals

    frame = narwhals.from_native(x, pass_through=True)
    return frame if isinstance(frame, (narwhals.DataFrame, narwhals.LazyFrame)) else None


def _values(column):
    """A column of narwhals as pandas takes it: numbers and times as arrays, others as objects."""
    import narwhals

    dtype = column.dtype
    if isinstance(dtype, narwhals.Decimal):
        column = column.cast(narwhals.Float64)
    elif not (dtype.is_numeric() or dtype.is_temporal()):
        return pd.Series(column.to_list(), dtype=object)
    return column.to_numpy()
