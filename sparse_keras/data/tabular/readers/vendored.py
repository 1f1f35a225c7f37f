"""Reads the compressed data files that come with the package, and checks them."""

import hashlib
import importlib.resources
import io
import lzma

import pandas as pd

from sparse_keras.data.tabular.columns import MISSING_STRINGS


def vendored_path(name):
    """Returns where the vendored file `name` lies."""
    return importlib.resources.files("sparse_keras.data") / "files" / name


def read_vendored(path, sha256):
    """Decompresses an xz file and checks its content.

    Args:
        path: The file, as from `vendored_path`.
        sha256: Hexadecimal SHA-256 of the decompressed content.

    Returns:
        The decompressed bytes.

    Raises:
        ValueError: If the file is missing, damaged, or not the one expected.
    """
    advice = "Reinstall the package to get the file back."
    try:
        content = lzma.decompress(path.read_bytes())
    except OSError as error:
        raise ValueError(f"Data file {path} cannot be read: {error}. {advice}") from error
    except lzma.LZMAError as error:
        raise ValueError(f"Data file {path} is corrupt: {error}. {advice}") from error
    received = hashlib.sha256(content).hexdigest()
    if received != sha256:
        raise ValueError(
            f"Data file {path} is corrupt: expected content with SHA-256 {sha256}, "
            f"received {received}. {advice}"
        )
    return content


def read_vendored_csv(name, sha256, **kwargs):
    """Reads a vendored table: `name` is its file's, without `.xz`; see `read_vendored`.

    Args:
        name: Name of the file, without `.xz`.
        sha256: Hexadecimal SHA-256 of the decompressed content.
        **kwargs: More arguments of `pandas.read_csv`.

    Returns:
        A DataFrame. What counts as missing is what does everywhere: `MISSING_STRINGS`.
    """
    content = read_vendored(vendored_path(f"{name}.xz"), sha256)
    return pd.read_csv(
        io.BytesIO(content), keep_default_na=False, na_values=MISSING_STRINGS, **kwargs
    )
