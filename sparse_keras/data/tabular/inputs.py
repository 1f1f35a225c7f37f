"""TableInputs: what a model has to know of a table's columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class TableInputs:
    """The inputs that a model of a table has, as `Features.encode` makes them of raw columns.

    Args:
        numeric_dim: Width of the numeric input, 0 for none.
        cardinalities: Number of codes of each categorical column.
        numeric_groups: The raw column, numbered from 0, behind each numeric feature, so that a
            feature gate has one gate for each raw column. `None`: each feature is a column.
        numeric_kinds: What each numeric feature is, `"value"`, `"bin"` or `"missing"`, for
            embeddings of numbers. `None`: all are values.
        sparse_dim: Width of an input that is mostly zeros, 0 for none. It stays sparse all the way
            to its projection: `fit` and `predict` take CSR matrices of `scipy.sparse`.

    Example:

    >>> sparse_keras.data.TableInputs(numeric_dim=30, cardinalities=(7, 12))
    TableInputs(numeric_dim=30, cardinalities=(7, 12), numeric_groups=None, numeric_kinds=None, sparse_dim=0)
    """  # noqa: E501

    numeric_dim: int = 0
    cardinalities: Sequence[int] = ()
    numeric_groups: Sequence[int] | None = None
    numeric_kinds: Sequence[str] | None = None
    sparse_dim: int = 0

    def __post_init__(self):
        if not self.numeric_dim and not self.cardinalities and not self.sparse_dim:
            raise ValueError(
                "A model of a table needs columns. Received: numeric_dim=0, no cardinalities and "
                "sparse_dim=0."
            )
