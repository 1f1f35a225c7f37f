"""What every reader returns."""

from dataclasses import dataclass

import pandas as pd

from sparse_keras.data.multi_target import MultiTarget
from sparse_keras.data.targets import Target


@dataclass(frozen=True)
class RawTable:
    """A data set as read: raw rows, target columns included, split into training and test.

    `weight` is the column that says what each row counts, which is no input; None: all alike.
    """

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    target: Target | MultiTarget
    weight: str | None = None
