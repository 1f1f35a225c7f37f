"""Tables that are mostly zeros: a SciPy matrix and its target, never made dense."""

from sparse_keras.data.csr import as_csr, is_matrix
from sparse_keras.data.tabular.csr.columns import SparseColumns
from sparse_keras.data.tabular.csr.table import SparseTable
from sparse_keras.data.tabular.csr.text import TextColumn

__all__ = ["SparseColumns", "SparseTable", "TextColumn", "as_csr", "is_matrix"]
