"""The user's own CSV file."""

from sparse_keras.data.tabular.formats import CSVFile
from sparse_keras.data.tabular.readers.files import missing_of, read_file
from sparse_keras.schema.sections.tabular.columns import NumericKind, kind_of


def read(options):
    """Returns a CSV file as a `RawTable`: see `read_file`.

    Args:
        options: What `read_file` takes, and `path`, `separator` and `decimal`.
    """
    # "007" is a category of its own only as long as it is text.
    kinds = {name: kind_of(setting) for name, setting in options.columns.items()}
    text = [name for name, kind in kinds.items() if not isinstance(kind, NumericKind)]
    file = CSVFile(options.path, options.separator, options.decimal, text, missing_of(options))
    return read_file(file, options)
