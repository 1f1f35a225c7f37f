"""classes_of: a column as labels, by which `inspect` shows what experts do. Imports pandas late."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# A numeric column with more distinct values is cut into parts of equal size.
MOST_CLASSES = 20
PARTS = 5


def classes_of(column: pd.Series) -> np.ndarray:
    """Returns a column as labels. A number of many values is cut into parts, named by limits."""
    import pandas as pd

    numbers = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if not numbers or (column.nunique() <= MOST_CLASSES and (column.dropna() % 1 == 0).all()):
        return column.to_numpy(dtype=object, na_value=None)
    counts = column.value_counts()
    if counts.iloc[0] > len(column) / PARTS:
        # A value of so many rows, such as 0, would leave nothing for the other parts.
        most = counts.index[0]
        others = classes_of(column.where(column != most).dropna()) if len(counts) > 1 else []
        labels = pd.Series(None, index=column.index, dtype=object)
        labels[column == most] = f"{most:.4g}"
        labels[column.notna() & (column != most)] = others
        return labels.to_numpy(dtype=object, na_value=None)
    parts = pd.qcut(column, PARTS, duplicates="drop")
    intervals = parts.cat.categories
    # Numbered, so that sorting by name keeps their order.
    names = {
        interval: f"{number}/{len(intervals)}: "
        f"{max(interval.left, column.min()):.4g} to {interval.right:.4g}"
        for number, interval in enumerate(intervals, 1)
    }
    return parts.map(names).to_numpy(dtype=object, na_value=None)
