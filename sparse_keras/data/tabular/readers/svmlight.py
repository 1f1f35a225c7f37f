"""The user's own svmlight file."""

from pathlib import Path

from sparse_keras.data.tabular.csr.files import TARGET, read_svmlight
from sparse_keras.data.tabular.csr_fitting import fit_sparse
from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.target_inference import infer_target


def read(options):
    """Returns the file as a `RawTable` of `SparseTable`s.

    Args:
        options: Anything with `path`, `task`, `zero_based`, `num_columns`, `test_fraction` and
            `split_seed`.
    """
    table = read_svmlight(options.path, options.num_columns, options.zero_based)
    try:
        return split_table(options, table, infer_target(table.targets[TARGET], options.task))
    except ValueError as error:
        raise ValueError(f"{options.path}: {error}") from error


def split_table(options, table, target):
    """The `RawTable` of a `SparseTable`, a part of whose rows is held out for testing."""
    train, test = hold_out(
        table, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable(Path(options.path).stem, train, test, target, fit=fit_sparse)
