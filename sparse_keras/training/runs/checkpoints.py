"""Checkpoint files: the newest two, whole or recognised as damaged.

A checkpoint is an `.npz` file: numbered arrays, and JSON that says where each belongs. It needs no
pickle, so that reading one runs no code. What is in it is up to `resuming.py`.
"""

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sparse_keras._internal.atomic import replacing


def write_checkpoint(folder: Path, content: dict, epoch: int, batch: int = 0) -> None:
    """Writes a checkpoint, and removes all but the one before it.

    The one before is what a training resumes from should the newest be damaged.

    Args:
        folder: The folder of the checkpoints. Made if it is not there.
        content: Dict of strings, numbers, None, NumPy arrays, and lists, tuples and dicts of these.
        epoch: Number of finished epochs.
        batch: Number of finished batches of the epoch after these.

    Raises:
        TypeError: If there is something else in `content`.
    """
    folder.mkdir(exist_ok=True)
    arrays = []
    text = json.dumps(pack(content, arrays))
    file = folder / _name(epoch, batch)
    with replacing(file) as path:
        np.savez(
            path,
            content=np.frombuffer(text.encode(), "uint8"),
            **{f"array_{number}": array for number, array in enumerate(arrays)},
        )
    # Later ones are damaged, or this training would have resumed from them.
    before = sorted(path for path in _files(folder) if path < file)[-1:]
    for path in set(_files(folder)) - {file, *before}:
        path.unlink()


def newest_checkpoint(folder: Path, check: Callable[[dict], None]) -> dict | None:
    """Reads the newest checkpoint that is whole, and warns of newer ones that are damaged.

    Args:
        folder: The folder of the checkpoints, which need not exist.
        check: Called with the content; raises a `ValueError` if it does not fit the training.

    Returns:
        The content that was written; `None` if there is no whole checkpoint.

    Raises:
        ValueError: If the newest whole checkpoint does not fit. It is left in place.
        PermissionError: If a file may not be read.
    """
    for path in sorted(_files(folder), reverse=True):
        try:
            content = _read(path)
        except (PermissionError, MemoryError):
            raise
        except Exception as error:  # A damaged file can lead to nearly any.
            warnings.warn(
                f"Ignored the checkpoint {str(path)!r}, which is damaged. Training resumes from an "
                f"earlier state. {type(error).__name__}: {error}",
                stacklevel=2,
            )
            continue
        try:
            check(content)
        except ValueError as error:
            raise ValueError(
                f"The checkpoint {str(path)!r} does not fit this training: {error} Resume it with "
                "the versions that `environment.json` lists, or start a new run."
            ) from error
        return content
    return None


def pack(value: object, arrays: list[np.ndarray]) -> object:
    """Turns plain values into what JSON can hold.

    Args:
        value: As `content` of `write_checkpoint`.
        arrays: List, to which the arrays in `value` are appended.

    Returns:
        The same, with dicts that stand for what JSON does not support: arrays (by their number),
        NumPy's scalars, tuples, and dicts.

    Raises:
        TypeError: If there is something else in `value`.
    """
    if isinstance(value, np.generic) and not isinstance(value, str):
        # Not turned into Python's numbers: Keras returns scalar weights as these, with a shape.
        return {"scalar": pack(np.asarray(value), arrays)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.isbuiltin and not value.dtype.hasobject:
        # NumPy's file format has no types that other packages register, such as bfloat16.
        registered = value.dtype.isbuiltin == 2
        arrays.append(value.view(f"u{value.dtype.itemsize}") if registered else value)
        return {"array": len(arrays) - 1, "dtype": value.dtype.name}
    if isinstance(value, list):
        return [pack(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [pack(item, arrays) for item in value]}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: pack(item, arrays) for name, item in value.items()}}
    raise TypeError(f"Expected numbers, strings, arrays and lists of them. Received: {value!r}.")


def _unpack(value, arrays):
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[f"array_{value['array']}"].view(value["dtype"])
    if "scalar" in value:
        return _unpack(value["scalar"], arrays)[()]
    if "tuple" in value:
        return tuple(_unpack(item, arrays) for item in value["tuple"])
    return {name: _unpack(item, arrays) for name, item in value["dict"].items()}


def _read(path):
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"The checksum of {damaged!r} in it is wrong.")
    with np.load(path, allow_pickle=False) as arrays:
        return _unpack(json.loads(arrays["content"].tobytes()), arrays)


def _name(epoch, batch):
    # In the order of the names, "." comes before "_": an epoch, then the batches after it.
    return f"epoch_{epoch:06}_batch_{batch:09}.npz" if batch else f"epoch_{epoch:06}.npz"


def _files(folder):
    return folder.glob("epoch_*.npz")
