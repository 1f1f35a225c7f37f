"""The user's own NumPy arrays."""

from sparse_keras.data.tabular.formats import NPZFile
from sparse_keras.data.tabular.readers.files import missing_of, read_file


def read(options):
    """Returns the arrays of an NPZ file as a `RawTable`: see `read_file`, whose options these are.

    A target that names an array of rank 2 is its columns, as labels.
    """
    return read_file(lambda path, text: NPZFile(path, missing_of(options)), options)
