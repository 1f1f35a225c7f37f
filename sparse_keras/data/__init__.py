"""Data sets, users' own files, and their way into a model.

What is general stands here: `dataset.py` (what training needs of any data set), `batches.py`,
`preprocessor.py` (raw examples to the inputs of a model). `download/` fetches files. `tabular/`
holds tables: `load_table` goes `readers/` (raw rows; those of a user's file through `formats/`,
checked in `misreadings.py`) -> `splits.py` (validation rows) -> `select_columns.py` (which columns,
if not all) -> `fitting.py` (statistics of the training rows) -> `features.py` (encoding).
"""

from sparse_keras._internal.builders import Builders
from sparse_keras.data.batches import ArrayBatches, Batches
from sparse_keras.data.dataset import Dataset, digest_of, load_data
from sparse_keras.data.preprocessor import Preprocessor
from sparse_keras.data.tabular.csr import SparseColumns, SparseTable, TextColumn
from sparse_keras.data.tabular.csr_fitting import fit_sparse, fit_texts
from sparse_keras.data.tabular.features import CategoricalColumn, Features, NumericColumn
from sparse_keras.data.tabular.fitting import fit_features
from sparse_keras.data.tabular.inputs import TableInputs
from sparse_keras.data.tabular.multi_target import MultiTarget
from sparse_keras.data.tabular.preprocessor import TablePreprocessor
from sparse_keras.data.tabular.readers import READERS, RawTable
from sparse_keras.data.tabular.table import TabularData, load_table
from sparse_keras.data.tabular.table_files import iter_table, read_table
from sparse_keras.data.tabular.targets import Target, infer_target

# Data sets that are not tables, by the names that configs use: functions of (section, batch_size,
# seed) that return a `Dataset`. Tables are read by `READERS` and go through `load_table`.
DATASETS = Builders("data", {})

__all__ = [
    "DATASETS",
    "READERS",
    "ArrayBatches",
    "Batches",
    "CategoricalColumn",
    "Dataset",
    "Features",
    "MultiTarget",
    "NumericColumn",
    "Preprocessor",
    "RawTable",
    "SparseColumns",
    "SparseTable",
    "TableInputs",
    "TablePreprocessor",
    "TabularData",
    "Target",
    "TextColumn",
    "digest_of",
    "fit_features",
    "fit_sparse",
    "fit_texts",
    "infer_target",
    "iter_table",
    "load_data",
    "load_table",
    "read_table",
]
