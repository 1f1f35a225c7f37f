"""Parquet, read by pyarrow."""

import contextlib

from sparse_keras.data.reading import errors_naming, pyarrow_for
from sparse_keras.data.tabular.formats.base import TableFile
from sparse_keras.data.tabular.missing import with_missing

# How pandas stores the labels of rows that have no name: no data.
_PANDAS_INDEX = "__index_level_"


class ParquetFile(TableFile):
    """A Parquet file. Dictionaries become categories, decimals floats.

    Raises:
        ValueError: Also if pyarrow is not installed.
    """

    def __init__(self, path, missing=None):
        super().__init__(path, missing)
        self._arrow = pyarrow_for(path)

    def read(self):
        with self._opened() as file:
            with self._errors_name_the_file():
                table = file.read()
            return self._frame(table, 0)

    def raw_chunks(self, num_rows):
        start = 0
        with self._opened() as file:
            with self._errors_name_the_file():
                batches = file.iter_batches(batch_size=num_rows)
            while True:
                with self._errors_name_the_file():
                    batch = next(batches, None)
                if batch is None:
                    return
                yield self._frame(self._arrow.Table.from_batches([batch]), start)
                start += len(batch)

    def nbytes(self):
        """A column of few distinct values takes almost nothing in the file, and not in memory."""
        with self._opened() as file, self._errors_name_the_file():
            metadata, schema = file.metadata, file.schema_arrow
            groups = range(metadata.num_row_groups)
            packed = sum(metadata.row_group(group).total_byte_size for group in groups)
            return max(packed, metadata.num_rows * sum(_width(field.type) for field in schema))

    @contextlib.contextmanager
    def _opened(self):
        with self._errors_name_the_file():
            file = self._arrow.parquet.ParquetFile(self.path)
        with file:
            yield file

    def _errors_name_the_file(self):
        return errors_naming(self.path, "cannot be read as Parquet")

    def _frame(self, table, start):
        types = self._arrow.types
        if nested := [field for field in table.schema if types.is_nested(field.type)]:
            shown = ", ".join(f"{field.name!r} ({field.type})" for field in nested[:8])
            more = f" and {len(nested) - 8} more" if len(nested) > 8 else ""
            raise ValueError(
                f"{self.path}: expected numbers, text, booleans or dates in each cell. Received "
                f"other values in column{'s' * (len(nested) > 1)} {shown}{more}. Write the file "
                "without them, or with one value in each cell."
            )
        for position, field in enumerate(table.schema):
            if types.is_decimal(field.type):
                with self._errors_name_the_file():
                    column = table.column(position).cast(self._arrow.float64())
                    table = table.set_column(position, field.name, column)
        # By position, since names may be doubled, which `named` refuses.
        data = [
            position
            for position, name in enumerate(table.column_names)
            if not name.startswith(_PANDAS_INDEX)
        ]
        with self._errors_name_the_file():
            frame = table.select(data).to_pandas(ignore_metadata=True)
            for column in frame.select_dtypes("datetimetz"):
                frame[column].agg(["min", "max"])  # Raises for years that no time zone has.
        return with_missing(self.named(frame, start), self.missing)


def _width(type):
    """The least bytes that a cell takes in memory: those of a pointer for text."""
    try:
        return max(1, type.bit_width // 8)
    except ValueError:
        return 8
