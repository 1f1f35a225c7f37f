"""Yeast: 2,417 genes, 103 numbers each. Which of 14 functional groups does a gene belong to?

Several at once (Elisseeff and Weston, 2001), 4.2 on average. The file lies in a source distribution
on the package index. Whether its rows are in the order of the published split is not known, so that
the test rows are drawn.
"""

import gzip
import io

import pandas as pd

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.sources import YEAST as ARCHIVE
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target

(_MEMBER,) = ARCHIVE.members
LABELS = tuple(f"Class{number}" for number in range(1, 15))


def read(options):
    """Returns the genes as a `RawTable`; what is not here yet is downloaded: 5 MB, once.

    Args:
        options: Anything with `test_fraction` and `split_seed`.

    Raises:
        FetchError: If the file is not here and cannot be downloaded.
    """
    frame = pd.read_csv(io.BytesIO(gzip.decompress(ARCHIVE.read(_MEMBER))))
    target = Target("groups", "multilabel", LABELS)
    train, test = hold_out(
        frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable("yeast", train, test, target)
