"""What every reader returns."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from sparse_keras.data.tabular.csr import SparseTable
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.targets import Target


@dataclass(frozen=True)
class RawTable:
    """A data set as read: raw rows, target columns included, split into training and test.

    `weight` is the column that says what each row counts, which is no input; None: all alike.
    `fit` says how the columns are learned from training rows, a function of (rows, target) that
    returns `Features`; None: by `fit_features`, with the config's bins.
    """

    name: str
    train: pd.DataFrame | SparseTable
    test: pd.DataFrame | SparseTable
    target: Target | MultiTarget
    weight: str | None = None
    fit: Callable | None = None
