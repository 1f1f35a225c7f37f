"""Default of credit card clients: 30,000 people in Taiwan, 2005. Who does not pay next month?

Sex, education and marriage are codes, and so are categories: for education 1 is a graduate school,
2 a university, 3 a high school, 4 another; for marriage 1 is married, 2 single, 3 another. Other
codes are in the data, without explanation.
"""

import numpy as np

from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.readers.vendored import read_vendored_csv
from sparse_keras.data.tabular.sources import SHA256
from sparse_keras.data.tabular.splits import hold_out
from sparse_keras.data.tabular.targets import Target

CODES = ("SEX", "EDUCATION", "MARRIAGE")
_TARGET = "default-payment-next-month"


def read(options):
    """Returns the clients as a `RawTable`; the positive class is "yes", who does not pay.

    Args:
        options: Anything with `test_fraction` and `split_seed`.
    """
    frame = read_vendored_csv(
        "credit_default.csv", SHA256["credit_default.csv"], dtype=dict.fromkeys(CODES, str)
    ).astype(dict.fromkeys(CODES, "category"))
    frame["default"] = np.where(frame.pop(_TARGET) == 1, "yes", "no")
    target = Target("default", "binary", ("no", "yes"))
    train, test = hold_out(
        frame, target, options.test_fraction, options.split_seed, name="data.test_fraction"
    )
    return RawTable("credit_default", train, test, target)
