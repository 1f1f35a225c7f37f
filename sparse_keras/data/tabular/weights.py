"""What the rows of a table count: a column of weights, for losses and metrics."""

import numpy as np

from sparse_keras.data.tabular.columns import as_frame, numeric_values, row_number


def row_weights(table, name):
    """Returns a column of weights as float32 `[N]`.

    Args:
        table: A DataFrame or a dict of columns.
        name: The column.

    Raises:
        ValueError: If there is no such column, a weight is missing, negative or infinite in
            float32, or all are 0.
    """
    series = as_frame(table, [name])[name]
    with np.errstate(over="ignore"):
        weights = numeric_values(series).astype("float32")
    bad = ~((weights >= 0) & (weights < np.inf))  # NaN is neither.
    if bad.any():
        first = bad.argmax()
        raise ValueError(
            f"Weights {name!r} must be numbers of 0 and more. Received: {series.iloc[first]} in "
            f"row {row_number(series, first)} (the first row of data is 1), and "
            f"{int(bad.sum()) - 1} more."
        )
    if len(weights) and not weights.any():
        raise ValueError(f"Weights {name!r} are 0 in all {len(weights)} rows: no row counts.")
    return weights
