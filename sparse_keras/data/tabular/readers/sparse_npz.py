"""The user's own matrix of SciPy's, and the table beside it that has the target."""

from sparse_keras.data.tabular.csr import SparseTable
from sparse_keras.data.tabular.csr.files import read_npz
from sparse_keras.data.tabular.readers.svmlight import split_table
from sparse_keras.data.tabular.table_files import open_table, read_rows, refuse_absent
from sparse_keras.data.tabular.target_inference import infer_target


def read(options):
    """Returns the matrix as a `RawTable` of `SparseTable`s.

    Args:
        options: Anything with `path`, `targets`, `target`, `task`, `test_fraction` and
            `split_seed`.
    """
    file = open_table(options.targets)
    file.check_fits("Use fewer rows.")
    frame = read_rows(file)
    try:
        refuse_absent(file, frame, [options.target], "a target column")
    except ValueError as error:
        raise ValueError(f"{options.targets}: {error}") from error
    matrix = read_npz(options.path)
    try:
        table = SparseTable(matrix, frame[[options.target]])
    except ValueError as error:
        raise ValueError(f"{options.path}: {error}") from error
    try:
        target = infer_target(frame[options.target], options.task, options.ignore_case)
        return split_table(options, table, target)
    except ValueError as error:
        raise ValueError(f"{options.targets}: {error}") from error
