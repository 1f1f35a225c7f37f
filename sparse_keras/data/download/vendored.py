"""Compressed data files that ship with the package, checked by their SHA-256."""

import hashlib
import importlib.resources
import lzma
from importlib.resources.abc import Traversable


def vendored_path(name: str) -> Traversable:
    """Returns the path of the vendored file `name`."""
    return importlib.resources.files("sparse_keras.data") / "files" / name


def read_vendored(path: Traversable, sha256: str) -> bytes:
    """Decompresses an xz file and checks its content.

    Args:
        path: The file, as from `vendored_path`.
        sha256: Hexadecimal SHA-256 of the decompressed content.

    Returns:
        The decompressed bytes.

    Raises:
        ValueError: If the file is missing or damaged, or its content is not as expected.
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
