"""Tables that ship with the package as CSV files."""

import io

import pandas as pd

from sparse_keras.data.download.vendored import read_vendored, vendored_path
from sparse_keras.data.tabular.missing import MISSING_STRINGS


def read_vendored_csv(name, sha256, **kwargs):
    """Reads a vendored table; see `read_vendored`.

    Args:
        name: Name of the file, without `.xz`.
        sha256: Hexadecimal SHA-256 of the decompressed content.
        **kwargs: Further arguments of `pandas.read_csv`.

    Returns:
        A DataFrame, in which `MISSING_STRINGS` are missing values.
    """
    content = read_vendored(vendored_path(f"{name}.xz"), sha256)
    return pd.read_csv(
        io.BytesIO(content), keep_default_na=False, na_values=MISSING_STRINGS, **kwargs
    )
