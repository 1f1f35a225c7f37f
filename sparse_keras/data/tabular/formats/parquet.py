"""Parquet, read by pyarrow."""

import contextlib

from sparse_keras.data.tabular.formats.base import TableFile, without_missing_strings

# How pandas stores the labels of rows that have no name: no data.
_PANDAS_INDEX = "__index_level_"


def pyarrow_for(path):
    """The package `pyarrow`, which is heavy and only this format's, for reading or writing a file.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError(f"{path}: Parquet needs another package: pip install pyarrow") from None
    return pyarrow


class ParquetFile(TableFile):
    """A Parquet file. Dictionaries become categories, decimals floats.

    Raises:
        ValueError: Also if pyarrow is not installed.
    """

    def __init__(self, path):
        super().__init__(path)
        self._arrow = pyarrow_for(path)

    def read(self):
        with self._opened() as file:
            return self._frame(file.read(), 0)

    def raw_chunks(self, num_rows):
        start = 0
        with self._opened() as file:
            for batch in file.iter_batches(batch_size=num_rows):
                yield self._frame(self._arrow.Table.from_batches([batch]), start)
                start += len(batch)

    def nbytes(self):
        with self._opened() as file:
            groups = range(file.metadata.num_row_groups)
            return sum(file.metadata.row_group(group).total_byte_size for group in groups)

    @contextlib.contextmanager
    def _opened(self):
        try:
            with self._arrow.parquet.ParquetFile(self.path) as file:
                yield file
        except self._arrow.ArrowException as error:
            raise ValueError(f"{self.path} cannot be read as Parquet: {error}") from error

    def _frame(self, table, start):
        types = self._arrow.types
        for position, field in enumerate(table.schema):
            if types.is_decimal(field.type):
                column = table.column(position).cast(self._arrow.float64())
                table = table.set_column(position, field.name, column)
            elif types.is_nested(field.type):
                raise ValueError(
                    f"{self.path}: column {field.name!r} holds {field.type} in each cell. Expected "
                    "numbers, text, booleans or dates."
                )
        data = [name for name in table.column_names if not name.startswith(_PANDAS_INDEX)]
        frame = table.select(data).to_pandas(ignore_metadata=True)
        return self.named(without_missing_strings(frame), start)
