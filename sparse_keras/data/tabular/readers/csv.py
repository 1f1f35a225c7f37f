"""The user's own CSV file."""

from sparse_keras.data.tabular.formats import CSVFile
from sparse_keras.data.tabular.readers.files import missing_of, read_file


def read(options):
    """Returns a CSV file as a `RawTable`: see `read_file`.

    Args:
        options: What `read_file` takes, and `separator`, `decimal` and `encoding`.
    """

    def open_file(path, text):
        return CSVFile(
            path,
            options.separator,
            options.decimal,
            text,
            missing_of(options),
            options.encoding,
        )

    return read_file(open_file, options)
