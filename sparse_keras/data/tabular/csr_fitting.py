"""Learns `Features` from training rows that are CSR matrices or texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparse_keras._internal.autologging import without_autologging
from sparse_keras.data.tabular.csr.columns import SparseColumns
from sparse_keras.data.tabular.csr.text import TextColumn
from sparse_keras.data.tabular.features import Features

if TYPE_CHECKING:
    import pandas as pd

    from sparse_keras.data.tabular.csr.table import SparseTable
    from sparse_keras.data.tabular.multi_target import MultiTarget
    from sparse_keras.data.tabular.targets import Target


def fit_sparse(table: SparseTable, target: Target | MultiTarget) -> Features:
    """Returns the `Features` of a `SparseTable` of training rows, for a `Target`."""
    return Features(_fitted(target, table.targets), sparse=SparseColumns.fit(table))


@without_autologging()
def fit_texts(
    frame: pd.DataFrame, target: Target | MultiTarget, column: str, **options: Any
) -> Features:
    """Returns the `Features` of a column of texts.

    Args:
        frame: DataFrame of the training rows.
        target: A `Target`.
        column: The column of texts; other columns are left out.
        **options: Of `TextColumn.fit`.
    """
    return Features(_fitted(target, frame), texts=(TextColumn.fit(frame[column], **options),))


def _fitted(target, frame):
    if target.task == "multitask":
        return target.fitted(frame)
    return target.with_statistics(target.encode(frame))
