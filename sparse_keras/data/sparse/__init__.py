"""Tables that are mostly zeros: a SciPy matrix and its target, never made dense."""

from sparse_keras.data.sparse.columns import SparseColumns
from sparse_keras.data.sparse.matrix import as_csr, is_matrix
from sparse_keras.data.sparse.table import SparseTable
from sparse_keras.data.sparse.text import TextColumn

__all__ = ["SparseColumns", "SparseTable", "TextColumn", "as_csr", "is_matrix"]
