"""UCI Adult (census income 1994): 32,561 training and 16,281 test rows, the official split.

Is a person's income above 50,000 dollars a year? The files are UCI's own; see DATA_LICENSES.md.
"""

import io

import pandas as pd

from sparse_keras.data.columns import MISSING_STRINGS
from sparse_keras.data.readers.raw import RawTable
from sparse_keras.data.readers.vendored import read_vendored, vendored_path
from sparse_keras.data.targets import Target

SHA256 = {
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
}
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


def read(options):
    """Returns Adult as a `RawTable`; the positive class is ">50K"."""
    del options  # nothing to choose: the split is UCI's
    test = _read_file("adult.test", skiprows=1)  # its first line is a comment
    test["income"] = test["income"].str.rstrip(".")  # ">50K." in the test file
    return RawTable(
        "adult",
        _read_file("adult.data"),
        test,
        Target("income", "binary", ("<=50K", ">50K")),
    )


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
