"""Breast cancer Wisconsin (diagnostic), 569 rows of 30 numbers, as scikit-learn ships it.

Is a tumour malignant? Small and nearly separable: for trying things out, not for comparing models.
"""

import numpy as np

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target


def read(options):
    """Returns the data as a `RawTable`; the positive class is "malignant".

    Args:
        options: Anything with `test_fraction` and `split_seed`.
    """
    from sklearn.datasets import load_breast_cancer  # Slow to import, and only this reader's.

    source = load_breast_cancer(as_frame=True)
    frame = source.data.copy()
    frame["diagnosis"] = np.where(source.target == 0, "malignant", "benign")
    target = Target("diagnosis", "binary", ("benign", "malignant"))
    train, test = hold_out(
        frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable("breast_cancer", train, test, target)
