"""Reads the compressed data files that come with the package, and checks them."""

import hashlib
import importlib.resources
import lzma


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
