"""SparseTable: a CSR matrix beside the target's columns."""

from dataclasses import dataclass

import pandas as pd
import scipy.sparse

from sparse_keras.data.csr import as_csr


@dataclass(frozen=True, repr=False)
class SparseTable:
    """Rows that are mostly zeros, with their target: what a DataFrame is to a dense table.

    Args:
        matrix: A sparse matrix or array of SciPy's, `[N, D]`; kept as float32 CSR.
        targets: DataFrame with the target's column or columns, a row for each of the matrix's.
            None for rows without a target, to predict.
        names: Optional sequence with the name of each column of the matrix.

    Raises:
        ValueError: If they do not have as many rows or columns, or the matrix holds what is no
            finite number.

    Example:

    >>> import scipy.sparse
    >>> import pandas as pd
    >>> matrix = scipy.sparse.csr_matrix(np.eye(3))
    >>> table = sparse_keras.data.SparseTable(matrix, pd.DataFrame({"y": [0, 1, 1]}))
    >>> len(table), table[np.array([True, False, True])].matrix.shape
    (3, (2, 3))
    """

    matrix: scipy.sparse.csr_matrix
    targets: pd.DataFrame | None = None
    names: tuple | None = None

    def __post_init__(self):
        object.__setattr__(self, "matrix", as_csr(self.matrix))
        if self.names is not None:
            object.__setattr__(self, "names", tuple(map(str, self.names)))
            if len(self.names) != self.matrix.shape[1]:
                raise ValueError(
                    f"Expected a name for each of {self.matrix.shape[1]:,} columns. Received: "
                    f"{len(self.names):,} names."
                )
        if self.targets is not None and len(self.targets) != len(self):
            raise ValueError(
                f"Expected a target for each of {len(self):,} rows of the matrix. Received: "
                f"{len(self.targets):,} targets."
            )

    def __len__(self):
        return self.matrix.shape[0]

    def __getitem__(self, rows):
        """Some of the rows: a slice, a bool array `[N]`, or an array of numbers of rows."""
        targets = None if self.targets is None else self.targets.iloc[rows].reset_index(drop=True)
        return SparseTable(self.matrix[rows], targets, self.names)

    def __repr__(self):
        rows, columns = self.matrix.shape
        return f"{rows:,} rows of {columns:,} columns, {self.matrix.nnz:,} not zero"
