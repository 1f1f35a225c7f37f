"""Files that hold a table: one format a file, each a subclass of `TableFile`.

A format knows how to read rows and what damage looks like; `table_files.py` chooses the format.
"""

from sparse_keras.data.tabular.formats.base import TableFile
from sparse_keras.data.tabular.formats.csv import CSVFile
from sparse_keras.data.tabular.formats.excel import ExcelFile
from sparse_keras.data.tabular.formats.jsonl import JSONLinesFile
from sparse_keras.data.tabular.formats.npz import NPZFile
from sparse_keras.data.tabular.formats.parquet import ParquetFile

__all__ = ["CSVFile", "ExcelFile", "JSONLinesFile", "NPZFile", "ParquetFile", "TableFile"]
