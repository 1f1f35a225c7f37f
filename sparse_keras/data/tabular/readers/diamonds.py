"""Diamonds: 53,940 of them, their weight, cut, colour, clarity and size. What do they cost?"""

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.readers.vendored import read_vendored_csv
from sparse_keras.data.tabular.sources import SHA256
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target


def read(options):
    """Returns the diamonds as a `RawTable`; the target is the price in US dollars.

    Args:
        options: Anything with `test_fraction` and `split_seed`.
    """
    frame = read_vendored_csv("diamonds.csv", SHA256["diamonds.csv"])
    target = Target("price", "regression")
    train, test = hold_out(
        frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable("diamonds", train, test, target)
