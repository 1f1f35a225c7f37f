"""Tables as scikit-learn passes them: which rows train, which validate, and what names are free."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from sparse_keras.data import ArrayBatches, Features, SparseTable, Target
from sparse_keras.data.tabular.splits import held_out_rows
from sparse_keras.schema.sections.training import TrainingConfig


def train_validation_split(
    table: pd.DataFrame | SparseTable, target: Target, fraction: float, seed: int
) -> tuple[pd.DataFrame | SparseTable, pd.DataFrame | SparseTable | None]:
    """Splits rows at random; of classes, each keeps its share.

    Returns:
        `(training rows, validation rows)`; `None` for the latter if there are none.
    """
    is_sparse = isinstance(table, SparseTable)
    if target.task in ("binary", "multiclass"):
        classes = target.encode(table.targets if is_sparse else table)
    else:
        classes = np.zeros(len(table))
    held_out = held_out_rows(classes, fraction, seed)
    if not held_out.any():
        return table, None
    if is_sparse:
        return table[~held_out], table[held_out]
    return table[~held_out].reset_index(drop=True), table[held_out].reset_index(drop=True)


def batches(
    features: Features,
    table: pd.DataFrame | SparseTable,
    training: TrainingConfig,
    shuffle: bool,
) -> ArrayBatches:
    """Encodes a table, and cuts it into batches."""
    return ArrayBatches(
        features.encode(table),
        features.encode_target(table),
        batch_size=training.batch_size,
        shuffle=shuffle,
        seed=training.seed,
    )


def free_name(name: str, taken: Collection[str]) -> str:
    """A name like `name` that no column has."""
    while name in taken:
        name += "_"
    return name
