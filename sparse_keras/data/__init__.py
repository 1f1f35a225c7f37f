"""Data sets, users' own files, and their way into a model.

`load_data(config)` goes: `readers/` (raw rows; those of a user's file through `formats/`, checked
in `misreadings.py`) -> `splits.py` (validation rows) -> `selecting.py` (which columns, if not all)
-> `fitting.py` (statistics of the training rows) -> `features.py` (encoding) -> `batches.py` (`fit`
takes these).
"""

from sparse_keras.data.batches import ArrayBatches
from sparse_keras.data.tabular.csr import SparseColumns, SparseTable, TextColumn
from sparse_keras.data.tabular.csr.fitting import fit_sparse, fit_texts
from sparse_keras.data.tabular.features import CategoricalColumn, Features, NumericColumn
from sparse_keras.data.tabular.fitting import fit_features
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.readers import READERS, RawTable
from sparse_keras.data.tabular.table import TabularData, load_data
from sparse_keras.data.tabular.table_files import iter_table, read_table
from sparse_keras.data.tabular.targets import Target, infer_target

__all__ = [
    "READERS",
    "ArrayBatches",
    "CategoricalColumn",
    "Features",
    "MultiTarget",
    "NumericColumn",
    "RawTable",
    "SparseColumns",
    "SparseTable",
    "TabularData",
    "Target",
    "TextColumn",
    "fit_features",
    "fit_sparse",
    "fit_texts",
    "infer_target",
    "iter_table",
    "load_data",
    "read_table",
]
