"""Data sets, users' own files, and their way into a model.

What is general stands here: `dataset.py` (what training needs of any data set), `batches.py`,
`preprocessor.py` (raw examples to the inputs of a model). `download/` fetches files. `tabular/`
holds tables: `load_table` goes `readers/` (raw rows; those of a user's file through `formats/`,
checked in `misreadings.py`) -> `splits.py` (validation rows) -> `select_columns.py` (which columns,
if not all) -> `fitting.py` (statistics of the training rows) -> `features.py` (encoding). `text/`
holds texts: `load_corpus` goes `readers/` (documents) -> `splits.py` -> `token_files.py` (token ids
on disk) -> `token_batches.py` (rows); `load_labelled_texts` goes `readers/` -> `labelled.py`
(parts) -> `text_batches.py`.

Each name below is imported on first use, so that `sources.py` can be read without Keras.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sparse_keras._internal.builders import Builders

if TYPE_CHECKING:
    # The names below once more, for type checkers and editors; a test keeps the two lists equal.
    from sparse_keras.data.batches import ArrayBatches as ArrayBatches
    from sparse_keras.data.batches import Batches as Batches
    from sparse_keras.data.dataset import Dataset as Dataset
    from sparse_keras.data.dataset import digest_of as digest_of
    from sparse_keras.data.dataset import load_data as load_data
    from sparse_keras.data.preprocessor import Preprocessor as Preprocessor
    from sparse_keras.data.tabular.csr import SparseColumns as SparseColumns
    from sparse_keras.data.tabular.csr import SparseTable as SparseTable
    from sparse_keras.data.tabular.csr import TextColumn as TextColumn
    from sparse_keras.data.tabular.csr_fitting import fit_sparse as fit_sparse
    from sparse_keras.data.tabular.csr_fitting import fit_texts as fit_texts
    from sparse_keras.data.tabular.date_column import DateColumn as DateColumn
    from sparse_keras.data.tabular.encoded_columns import CategoricalColumn as CategoricalColumn
    from sparse_keras.data.tabular.encoded_columns import NumericColumn as NumericColumn
    from sparse_keras.data.tabular.features import Features as Features
    from sparse_keras.data.tabular.fitting import fit_features as fit_features
    from sparse_keras.data.tabular.inputs import TableInputs as TableInputs
    from sparse_keras.data.tabular.multi_target import MultiTarget as MultiTarget
    from sparse_keras.data.tabular.number_formats import NumberFormat as NumberFormat
    from sparse_keras.data.tabular.preprocessor import TablePreprocessor as TablePreprocessor
    from sparse_keras.data.tabular.readers import READERS as READERS
    from sparse_keras.data.tabular.readers import RawTable as RawTable
    from sparse_keras.data.tabular.table import TabularData as TabularData
    from sparse_keras.data.tabular.table import load_table as load_table
    from sparse_keras.data.tabular.table_files import iter_table as iter_table
    from sparse_keras.data.tabular.table_files import read_table as read_table
    from sparse_keras.data.tabular.target_inference import infer_target as infer_target
    from sparse_keras.data.tabular.targets import Target as Target
    from sparse_keras.data.text.corpus import Corpus as Corpus
    from sparse_keras.data.text.corpus import LabelledTexts as LabelledTexts
    from sparse_keras.data.text.inputs import TextInputs as TextInputs
    from sparse_keras.data.text.labelled import LabelledTextData as LabelledTextData
    from sparse_keras.data.text.labelled import load_labelled_texts as load_labelled_texts
    from sparse_keras.data.text.language import LanguageData as LanguageData
    from sparse_keras.data.text.language import load_corpus as load_corpus
    from sparse_keras.data.text.language_preprocessor import (
        LanguagePreprocessor as LanguagePreprocessor,
    )
    from sparse_keras.data.text.text_batches import TextBatches as TextBatches
    from sparse_keras.data.text.text_preprocessor import TextPreprocessor as TextPreprocessor
    from sparse_keras.data.text.token_batches import TokenBatches as TokenBatches
    from sparse_keras.data.text.tokenizer import Tokenizer as Tokenizer

# Data sets that are not tables, by the names that configs use: functions of (section, batch_size,
# seed) that return a `Dataset`. Tables are read by `READERS` and go through `load_table`.
DATASETS = Builders("data", {})

_MODULES = {
    "ArrayBatches": "batches",
    "Batches": "batches",
    "CategoricalColumn": "tabular.encoded_columns",
    "Corpus": "text.corpus",
    "Dataset": "dataset",
    "DateColumn": "tabular.date_column",
    "Features": "tabular.features",
    "LabelledTextData": "text.labelled",
    "LabelledTexts": "text.corpus",
    "LanguageData": "text.language",
    "LanguagePreprocessor": "text.language_preprocessor",
    "MultiTarget": "tabular.multi_target",
    "NumberFormat": "tabular.number_formats",
    "NumericColumn": "tabular.encoded_columns",
    "Preprocessor": "preprocessor",
    "READERS": "tabular.readers",
    "RawTable": "tabular.readers",
    "SparseColumns": "tabular.csr",
    "SparseTable": "tabular.csr",
    "TableInputs": "tabular.inputs",
    "TablePreprocessor": "tabular.preprocessor",
    "TabularData": "tabular.table",
    "Target": "tabular.targets",
    "TextBatches": "text.text_batches",
    "TextColumn": "tabular.csr",
    "TextInputs": "text.inputs",
    "TextPreprocessor": "text.text_preprocessor",
    "TokenBatches": "text.token_batches",
    "Tokenizer": "text.tokenizer",
    "digest_of": "dataset",
    "fit_features": "tabular.fitting",
    "fit_sparse": "tabular.csr_fitting",
    "fit_texts": "tabular.csr_fitting",
    "infer_target": "tabular.target_inference",
    "iter_table": "tabular.table_files",
    "load_corpus": "text.language",
    "load_data": "dataset",
    "load_labelled_texts": "text.labelled",
    "load_table": "tabular.table",
    "read_table": "tabular.table_files",
}

__all__ = ["DATASETS", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
