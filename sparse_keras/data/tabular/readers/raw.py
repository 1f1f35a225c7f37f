"""What every reader returns."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from sparse_keras.data.tabular.column_kinds import ColumnKinds
from sparse_keras.data.tabular.csr import SparseTable
from sparse_keras.data.tabular.missing import MissingValues
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.split import Split
from sparse_keras.data.tabular.targets import Target


@dataclass(frozen=True)
class RawTable:
    """A data set as read: raw rows, target columns included, split into training and test rows.

    Attributes:
        name: Name of the data set.
        train: The training rows, target columns included.
        test: The test rows.
        target: What is predicted.
        weight: The column of weights, which is not an input; None if rows are not weighted.
        fit: Function of (rows, target) that returns `Features`; None for `fit_features` with the
            bins of the config.
        missing: Which words and numbers mean "missing", to be recognised in rows to predict.
        dropped: Number of rows that were left out because they have no target.
        kinds: The kinds of the columns whose types do not say how they are used.
        validation: The validation rows. None: `data.validation_fraction` of the training rows are
            drawn.
        split: The `Split` by which the rows were split. None: the test rows were drawn at random,
            or are the publisher's.
    """

    name: str
    train: pd.DataFrame | SparseTable
    test: pd.DataFrame | SparseTable
    target: Target | MultiTarget
    weight: str | None = None
    fit: Callable | None = None
    missing: MissingValues = field(default_factory=MissingValues)
    dropped: int = 0
    kinds: ColumnKinds = field(default_factory=ColumnKinds)
    validation: pd.DataFrame | None = None
    split: Split | None = None
