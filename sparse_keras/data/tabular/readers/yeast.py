"""Yeast: 2,417 genes, 103 numbers each. Which of 14 functional groups does a gene belong to?

Several at once (Elisseeff and Weston, 2001), 4.2 on average. The file lies in a source distribution
on the package index. Whether its rows are in the order of the published split is not known, so that
the test rows are drawn.
"""

import gzip
import io

import pandas as pd

from sparse_keras.data.download.packages import PackageFile
from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target

_MEMBER = "river-0.26.1/river/datasets/yeast.csv.gz"
ARCHIVE = PackageFile(
    data_set="yeast",
    project="river",
    filename="river-0.26.1.tar.gz",
    sha256="2326f87f396801cfd8672ac02d9f9731c10e936696e7a0a1f89a378b994fba3f",
    size=5_134_600,
    url="https://files.pythonhosted.org/packages/1b/08/ac646151985321dd05681f46983f6bffc9fe4f67792809d"
    "38853adeb8699/river-0.26.1.tar.gz",
    members={_MEMBER: "2969cb4bab877a27adcbe17871fa0b378a1e54b98816cd6106b542ee450a1c09"},
)
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
