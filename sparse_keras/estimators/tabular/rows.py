"""The rows that an estimator trains on or validates with: columns, targets and weights together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from sparse_keras.data import ArrayBatches, Features, MultiTarget, SparseTable, Target
from sparse_keras.data.tabular.splits import held_out_rows, strata_of
from sparse_keras.schema.sections.training import TrainingConfig


@dataclass(frozen=True)
class Rows:
    """Rows of a table with their targets, and what each counts.

    Args:
        table: DataFrame or `SparseTable` with the columns of the targets.
        weight: float64 `[N]`, none of them 0; or None where all rows count alike.
    """

    table: pd.DataFrame | SparseTable
    weight: np.ndarray | None = None

    @classmethod
    def of(
        cls, table: pd.DataFrame | SparseTable, targets: pd.DataFrame, sample_weight: Any
    ) -> Rows:
        """Puts a table, its targets and their weights together. Rows of weight 0 are left out.

        Raises:
            ValueError: If they are not equally long, or scikit-learn refuses the weights.
        """
        if isinstance(table, SparseTable):
            check_consistent_length(table.matrix, targets)
            table = SparseTable(table.matrix, targets)
            length_of = table.matrix
        else:
            check_consistent_length(table, targets)
            table = length_of = pd.concat([table, targets], axis=1)
        if sample_weight is None:
            return cls(table)
        weight = _check_sample_weight(
            sample_weight, length_of, dtype=np.float64, ensure_non_negative=True
        )
        return cls(table, weight)[weight > 0]

    def __len__(self):
        return len(self.table)

    def __getitem__(self, selected: np.ndarray) -> Rows:
        """The rows that a bool array `[N]` selects."""
        table = self.table[selected]
        if isinstance(table, pd.DataFrame):
            table = table.reset_index(drop=True)
        return Rows(table, None if self.weight is None else self.weight[selected])

    @property
    def targets(self) -> pd.DataFrame:
        """A table with the columns of the targets."""
        return self.table.targets if isinstance(self.table, SparseTable) else self.table

    def times(self, weight: np.ndarray | None) -> Rows:
        """The same rows, each counting `weight` times as much, `[N]`; None for as much."""
        if weight is None:
            return self
        weight = weight if self.weight is None else self.weight * weight
        return Rows(self.table, weight)[weight > 0]

    def split(self, target: Target | MultiTarget, fraction: float, seed: int):
        """Holds out rows at random; of classes, each gives its share.

        Returns:
            `(training rows, validation rows)`; `None` for the latter if there are none.
        """
        held_out = held_out_rows(strata_of(self.targets, target, fraction), fraction, seed)
        if not held_out.any():
            return self, None
        return self[~held_out], self[held_out]

    def batches(self, features: Features, training: TrainingConfig, shuffle: bool) -> ArrayBatches:
        """Encodes the rows, and cuts them into batches."""
        weight = self.weight
        if weight is not None:
            # Losses are weighted means, so that their scale does not matter; but weights of 1e-40,
            # as boosting makes them, would be lost in float32.
            weight = (weight / weight.mean()).astype("float32")
        if isinstance(features.target, MultiTarget):
            one = np.ones(len(self), "float32") if weight is None else weight
            weight = dict.fromkeys(features.target.names, one)
        return ArrayBatches(
            features.encode(self.table),
            features.encode_target(self.table),
            weight,
            batch_size=training.batch_size,
            shuffle=shuffle,
            seed=training.seed,
        )


def unpack_eval_set(eval_set: Any) -> tuple[Any, Any, Any]:
    """Returns the `(X, y, sample_weight)` of an `eval_set`; the weights are None without any.

    Raises:
        ValueError: If it is neither a tuple of two or three, nor a list of one such tuple.
    """
    received = type(eval_set).__name__
    if isinstance(eval_set, list):
        received = f"a list of {len(eval_set)}"
        eval_set = eval_set[0] if len(eval_set) == 1 else None
    if not isinstance(eval_set, tuple) or len(eval_set) not in (2, 3):
        if isinstance(eval_set, tuple):
            received = f"a tuple of {len(eval_set)}"
        raise ValueError(
            "`eval_set` must be (X, y) or (X, y, sample_weight), or a list of one such tuple. "
            f"Received: {received}."
        )
    return (*eval_set, None)[:3]
