"""Four tables of the Statlog project: letters, satellite pixels, a space shuttle, vehicles.

All have numbers for inputs and classes for a target. Where Statlog published a split, the first
rows of a file are its training rows.
"""

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.readers.vendored import read_vendored_csv
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target

SHA256 = {
    "letter.csv": "63d20d64650cfaea6c67ea38906d241b296c24c2daf39f526c49954e135271c4",
    "satellite.csv": "7adb238d678a0a96d0a0200f5b651d6caffab87b268d3fc720ba1f00a07e081d",
    "shuttle.csv": "dc3315eb651d4227060d8428fe32fbc877e59fdfad14b73441939a85f38c8f2c",
    "vehicle.csv": "edd936a42951458755bc4e7f3288facbb9a885d8c6c0df53083bf78b7f797837",
}


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
