"""The user's own Parquet file."""

from sparse_keras.data.tabular.formats import ParquetFile
from sparse_keras.data.tabular.readers.files import missing_of, read_file


def read(options):
    """Returns a Parquet file as a `RawTable`: see `read_file`, whose options these are."""
    return read_file(lambda path, text: ParquetFile(path, missing_of(options)), options)
