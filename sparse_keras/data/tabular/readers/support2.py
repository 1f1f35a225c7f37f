"""SUPPORT2: 9,105 seriously ill people in five hospitals. Who dies within 180 days?

The 27 inputs are what was known on the third day. Columns that reveal the outcome or were made to
predict it are left out: the score and the predictions of the study's model (`sps`, `surv2m`,
`surv6m`), decisions not to resuscitate (`dnr`), and disability, then or later (`adlp`, `adls`,
`sfdm2`).
Nobody who lived was followed for less than 344 days, so that the target is exact.
"""

import numpy as np

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.readers.vendored import read_vendored_csv
from sparse_keras.data.tabular.sources import SHA256
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target


def read(options):
    """Returns SUPPORT2 as a `RawTable`; the positive class is "yes", which is death.

    Args:
        options: Anything with `days`, `test_fraction` and `split_seed`.
    """
    frame = read_vendored_csv("support2.csv", SHA256["support2.csv"])
    died, day = frame.pop("event") == 1, frame.pop("time")
    frame["death"] = np.where(died & (day <= options.days), "yes", "no")
    target = Target("death", "binary", ("no", "yes"))
    train, test = hold_out(
        frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable("support2", train, test, target)
