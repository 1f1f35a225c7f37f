"""What the arrays of an NPZ file are, asked of their headers: nothing large is unpacked."""

import math
import zipfile
from dataclasses import dataclass

import numpy as np

from sparse_keras.data.reading import check_exists, errors_naming

_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Header:
    """The type and size of an array in a file."""

    shape: tuple
    dtype: np.dtype

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.dtype.itemsize


def member_names(path):
    """Names of the arrays of an NPZ file, or None if it is not an NPZ file."""
    check_exists(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return [_name(member) for member in archive.infolist()]
    except Exception:  # Whoever reads it says what is wrong.
        return None


def npz_headers(path):
    """Returns a dict from the name of each array of an NPZ file to its `Header`.

    Raises:
        ValueError: If it is no NPZ file, or an array is cut off or holds Python objects.
    """
    check_exists(path)
    headers = {}
    with errors_naming(path, "cannot be read as an NPZ file"), open(path, "rb") as file:
        alone = file.read(6) == np.lib.format.MAGIC_PREFIX
    if alone:
        raise ValueError(
            f"{path} holds one array without a name. Write named ones with "
            "numpy.savez(path, x=..., y=...)."
        )
    with errors_naming(path, "cannot be read as an NPZ file"):
        archive = zipfile.ZipFile(path)
    with archive:
        for member in archive.infolist():
            name = _name(member)
            if name in headers:
                raise ValueError(f"{path} holds two arrays of the name {name!r}.")
            with errors_naming(path, f"cannot be read: array {name!r}"):
                headers[name] = _header(archive, member)
    return headers


def _name(member):
    return member.filename.removesuffix(".npy")


def _header(archive, member):
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
        except ValueError as error:
            raise ValueError("it is not an array of NumPy") from error
        if version not in _READ_HEADER:
            raise ValueError(f"its version of NumPy's format is {version}. Write it again")
        shape, _, dtype = _READ_HEADER[version](stream)
        start = stream.tell()
    if dtype.hasobject:
        raise ValueError("it holds Python objects. Write it as numbers or text: array.astype(str)")
    header = Header(shape, dtype)
    if min(shape, default=0) < 0:
        raise ValueError(f"it declares a negative size, {shape}")
    if member.file_size - start < header.nbytes:
        raise ValueError(
            f"it is cut off, its header declares {header.nbytes:,} bytes. Received: "
            f"{member.file_size - start:,}"
        )
    return header
