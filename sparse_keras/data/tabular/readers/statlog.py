"""Four tables of the Statlog project: letters, satellite pixels, a space shuttle, vehicles.

All have numbers for inputs and classes for a target. Where Statlog published a split, the first
rows of a file are its training rows.
"""

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.readers.vendored import read_vendored_csv
from sparse_keras.data.tabular.sources import SHA256
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target


def read_letter(options):
    """Letter recognition, 20,000 rows: which of 26 capital letters is it? The last 4,000 test."""
    del options  # nothing to choose: the split is the official one
    return _official("letter", "letter", num_train=16_000)


def read_satellite(options):
    """Satellite, 6,435 rows: what grows, or what soil is, where a pixel was taken? 2,000 test."""
    del options
    return _official("satellite", "class", num_train=4_435)


def read_shuttle(options):
    """Shuttle, 58,000 rows: which of seven states are the radiators in? 14,500 test.

    Nearly four of five rows are in one state, and 0.02 % in another: accuracy says little.
    """
    del options
    return _official("shuttle", "class", num_train=43_500)


def read_vehicle(options):
    """Vehicle, 846 silhouettes: a bus, a van, an Opel or a Saab?

    Args:
        options: Anything with `test_fraction` and `split_seed`.
    """
    frame, target = _read("vehicle", "class")
    train, test = hold_out(
        frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable("vehicle", train, test, target)


def _official(name, column, num_train):
    frame, target = _read(name, column)
    return RawTable(name, frame[:num_train], frame[num_train:].reset_index(drop=True), target)


def _read(name, column):
    file = f"{name}.csv"
    frame = read_vendored_csv(file, SHA256[file])
    return frame, Target(column, "multiclass", tuple(sorted(frame[column].unique())))
