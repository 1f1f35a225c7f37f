"""Files in the safetensors format: read one tensor at a time, and written one at a time.

A file is the length of a header (8 bytes), the header (JSON: the dtype, the shape and the bytes of
each tensor), and the bytes. The library `safetensors` maps files into memory, where everything that
was read stays until the file is closed, and writes from memory. Here, no more than one tensor is in
memory.

Reference:
    [The format](https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from sparse_keras._internal.suggest import listing
from sparse_keras.models.text.checkpoints import arrays

DTYPES = {
    "F64": np.dtype("float64"),
    "F32": np.dtype("float32"),
    "F16": np.dtype("float16"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("int64"),
    "I32": np.dtype("int32"),
    "I16": np.dtype("int16"),
    "I8": np.dtype("int8"),
    "U8": np.dtype("uint8"),
    "BOOL": np.dtype("bool"),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
# The limit of the library: a longer one is a sign of a damaged file.
_LONGEST_HEADER = 100_000_000
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


@dataclass(frozen=True)
class Tensor:
    """Where a tensor is.

    Args:
        file: Path of the file.
        dtype: Its NumPy dtype.
        shape: Its shape.
        start: Number of its first byte in the file.
    """

    file: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self, index: int | None = None) -> np.ndarray:
        """Reads the tensor, or one entry of its first axis."""
        shape, start = self.shape, self.start
        if index is not None:
            shape = shape[1:]
            start += index * math.prod(shape) * self.dtype.itemsize
        values = arrays.empty(shape, self.dtype)
        with open(self.file, "rb", buffering=0) as file:
            file.seek(start)
            view = memoryview(values.reshape(-1).view("uint8"))
            while view:
                count = file.readinto(view)
                if not count:
                    raise ValueError(f"{str(self.file)!r} ended while it was read.")
                view = view[count:]
        return values


def read_json(path: Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
        ValueError: If it is not there, or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"There is no file {str(path)!r}.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is no JSON: {error}") from None


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a checkpoint by key, of which none is read.

    Args:
        path: A folder, or one file.

    Raises:
        ValueError: If there is no such file, or a file or the index is damaged.
    """
    if not path.is_dir():
        return _tensors_of_file(path)
    if (path / INDEX).is_file():
        return _tensors_of_index(path)
    files = [path / SINGLE] if (path / SINGLE).is_file() else sorted(path.glob("*.safetensors"))
    if len(files) == 1:
        return _tensors_of_file(files[0])
    if files:
        raise ValueError(
            f"{str(path)!r} has {len(files)} files of tensors, and no {INDEX}, which says which "
            "belong together. Pass one of them, or add the index."
        )
    pickles = [file.name for kind in ("*.bin", "*.pt", "*.pth") for file in path.glob(kind)]
    hint = ""
    if pickles:
        hint = (
            f" {listing(sorted(pickles), 2)} may run code when they are read. Save the model as "
            "safetensors: `model.save_pretrained(folder)` of transformers does."
        )
    raise ValueError(f"{str(path)!r} has no {SINGLE} and no {INDEX}.{hint}")


def _tensors_of_index(folder):
    index = read_json(folder / INDEX)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{str(folder / INDEX)!r} has no 'weight_map' from keys to files.")
    found = {}
    for name in weight_map.values():
        plain = isinstance(name, str) and Path(name).name == name and not set(name) & {"\\", "\0"}
        if not plain or not name.endswith(".safetensors"):
            raise ValueError(
                f"{str(folder / INDEX)!r} names a file {name!r}, not a "
                "'.safetensors' file in the same folder."
            )
    for name in dict.fromkeys(weight_map.values()):  # Each once, in their order.
        tensors = _tensors_of_file(folder / name)
        for key, tensor in tensors.items():
            if weight_map.get(key) != name:
                raise ValueError(
                    f"{str(folder / name)!r} holds {key!r}, which {INDEX} does not say: it has "
                    f"{weight_map.get(key)!r} there."
                )
            found[key] = tensor
    if missing := [key for key in weight_map if key not in found]:
        raise ValueError(
            f"{INDEX} names {listing(missing, 4)}, which the files in {str(folder)!r} do not hold."
        )
    return found


def _tensors_of_file(path):
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            first = file.read(8)
            length = struct.unpack("<Q", first)[0] if len(first) == 8 else None
            if length is None or length > min(size - 8, _LONGEST_HEADER):
                raise _damaged(path, f"its header would have {length} bytes, the file has {size}")
            header = file.read(length)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"{str(path)!r} cannot be read: {reason}.") from None
    try:
        entries = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is no JSON, {error}") from None
    if not isinstance(entries, dict):
        raise _damaged(path, "its header is no dict")
    entries.pop("__metadata__", None)
    tensors = {key: _tensor(path, key, entry, 8 + length) for key, entry in entries.items()}
    _check_extent(path, tensors, 8 + length, size)
    return tensors


def _tensor(path, key, entry, offset):
    try:
        dtype, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, start, stop]
    except (TypeError, KeyError, ValueError):
        raise _damaged(path, f"the entry of {key!r} is {entry!r}") from None
    if any(type(number) is not int or number < 0 for number in numbers):
        raise _damaged(path, f"the entry of {key!r} is {entry!r}")
    if dtype not in list(DTYPES):
        raise ValueError(
            f"{str(path)!r} has {key!r} of the dtype {dtype!r}. Only {listing(DTYPES, 20)} are "
            "known."
        )
    tensor = Tensor(path, DTYPES[dtype], tuple(shape), offset + start)
    if tensor.size != stop - start:
        raise _damaged(
            path, f"{key!r} has the shape {tensor.shape} of {dtype} in {stop - start} bytes"
        )
    return tensor


def _check_extent(path, tensors, start, size):
    """Raises a ValueError unless tensors lie side by side and end where the file does."""
    for key, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].size)):
        if tensor.start != start:
            raise _damaged(path, f"{key!r} starts at byte {tensor.start}, not at {start}")
        start += tensor.size
    if start > size:
        raise _damaged(path, f"tensors would end at byte {start:,}, and the file has {size:,}")
    if start < size:
        raise _damaged(path, f"tensors end at byte {start:,}, and the file has {size:,}")


def _damaged(path, problem):
    return ValueError(f"{str(path)!r} is damaged, or no safetensors file: {problem}.")


@dataclass(frozen=True)
class Planned:
    """A tensor that is to be written.

    Args:
        key: Its key.
        dtype: Its NumPy dtype.
        shape: Its shape.
        parts: Function that returns an iterable of arrays, which hold its bytes one after the
            other.
    """

    key: str
    dtype: np.dtype
    shape: tuple[int, ...]
    parts: Any

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def write(folder: Path, tensors: Iterable[Planned], max_shard_size: int) -> None:
    """Writes tensors to files of at most some size, each at least one tensor, with an index.

    Args:
        folder: The folder, which exists.
        tensors: The tensors, in order.
        max_shard_size: The most bytes of tensors in a file.
    """
    shards: list[list[Planned]] = [[]]
    for tensor in tensors:
        filled = sum(one.size for one in shards[-1])
        if shards[-1] and filled + tensor.size > max_shard_size:
            shards.append([])
        shards[-1].append(tensor)
    if len(shards) == 1:
        _write_file(folder / SINGLE, shards[0])
        return
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        _write_file(folder / name, shard)
        weight_map |= {tensor.key: name for tensor in shard}
    total = sum(tensor.size for shard in shards for tensor in shard)
    index: Mapping[str, Any] = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def _write_file(path, tensors):
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for tensor in tensors:
        entries[tensor.key] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, start + tensor.size],
        }
        start += tensor.size
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(struct.pack("<Q", len(header)))
        file.write(header)
        for tensor in tensors:
            for part in tensor.parts():
                file.write(np.ascontiguousarray(part, tensor.dtype).reshape(-1).view("uint8").data)
    os.replace(partial, path)
