"""The user's own Excel workbook."""

from sparse_keras.data.tabular.formats import ExcelFile
from sparse_keras.data.tabular.readers.files import missing_of, read_file


def read(options):
    """Returns a sheet of a workbook as a `RawTable`: see `read_file`.

    Args:
        options: What `read_file` takes, and `sheet` and `header_row`.
    """

    def open_file(path, text):
        return ExcelFile(path, missing_of(options), options.sheet, options.header_row)

    return read_file(open_file, options)
