"""UCI Adult (census income 1994): 32,561 training and 16,281 test rows, the official split.

Is a person's income above 50,000 dollars a year? The files are UCI's own; see DATA_LICENSES.md.
"""

import io

import pandas as pd

from sparse_keras.data.download.vendored import read_vendored, vendored_path
from sparse_keras.data.tabular.missing import MISSING_STRINGS
from sparse_keras.data.tabular.multi_target import target_of
from sparse_keras.data.tabular.readers.raw import RawTable
from sparse_keras.data.tabular.sources import SHA256
from sparse_keras.data.tabular.targets import Target

COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)


INCOME = Target("income", "binary", ("<=50K", ">50K"))
# Made of marital-status: an easy second task, from columns that the first one uses as well.
NEVER_MARRIED = Target("never_married", "binary", ("no", "yes"))
# What says whether somebody ever married: "Husband" and "Wife" are relationships.
_TELLS_MARRIED = ("marital-status", "relationship")


def read(options):
    """Returns Adult as a `RawTable`; the positive class of the income is ">50K".

    Args:
        options: Anything with `tasks`: "income", "never_married" or both; None for the first.
            A target is never an input. With "never_married", neither "marital-status" nor
            "relationship" is.
    """
    target = target_of(
        "adult", (INCOME, NEVER_MARRIED), getattr(options, "tasks", None) or ("income",)
    )
    test = _read_file("adult.test", skiprows=1)  # its first line is a comment
    test["income"] = test["income"].str.rstrip(".")  # ">50K." in the test file
    tables = (_with_targets(frame, target.columns) for frame in (_read_file("adult.data"), test))
    return RawTable("adult", *tables, target)


def _with_targets(frame, targets):
    """The table with the targets that are asked for, and without what would say them."""
    if NEVER_MARRIED.name in targets:
        never = frame["marital-status"] == "Never-married"
        frame = frame.drop(columns=list(_TELLS_MARRIED))
        frame[NEVER_MARRIED.name] = never.map({False: "no", True: "yes"})
    return frame if INCOME.name in targets else frame.drop(columns=INCOME.name)


def _read_file(name, **kwargs):
    content = read_vendored(vendored_path(f"{name}.xz"), SHA256[name])
    return pd.read_csv(
        io.BytesIO(content),
        names=COLUMNS,
        skipinitialspace=True,
        keep_default_na=False,
        na_values=MISSING_STRINGS,
        **kwargs,
    )
