"""Checkpoint files: one for each finished epoch, whole or recognised as damaged.

A checkpoint is an `.npz` file: numbered arrays, and JSON that says where each belongs. It needs no
pickle, so that reading one runs no code. What is in it is up to `resuming.py`.
"""

import json
import warnings
import zipfile

import numpy as np

from sparse_keras._internal.atomic import replacing

KEPT = 2  # The newest, and the one before it, should the newest be damaged.


def write_checkpoint(folder, epoch, content):
    """Writes the checkpoint of an epoch, and removes all but the one before it.

    Args:
        folder: A `pathlib.Path`. Made if it is not there.
        epoch: Number of finished epochs.
        content: Dict of strings, numbers, None, NumPy arrays, and lists, tuples and dicts of these.

    Raises:
        TypeError: If there is something else in `content`.
    """
    folder.mkdir(exist_ok=True)
    arrays = []
    text = json.dumps(pack(content, arrays))
    with replacing(_file(folder, epoch)) as path:
        np.savez(
            path,
            content=np.frombuffer(text.encode(), "uint8"),
            **{f"array_{number}": array for number, array in enumerate(arrays)},
        )
    kept = {_file(folder, epoch - back) for back in range(KEPT)}
    for path in set(_files(folder)) - kept:
        path.unlink()


def newest_checkpoint(folder, check):
    """Reads the newest checkpoint that is in order.

    Args:
        folder: A `pathlib.Path`, which need not be there.
        check: Called with a content; raises an error if it is not what is needed.

    Returns:
        The content that was written; None if there is no checkpoint in order. A damaged one is
        told in a warning.
    """
    for path in sorted(_files(folder), reverse=True):
        try:
            content = _read(path)
            check(content)
        except Exception as error:  # There is hardly one that a damaged file cannot lead to.
            warnings.warn(
                f"The checkpoint {str(path)!r} cannot be used, so training goes on from what was "
                f"before it. {type(error).__name__}: {error}",
                stacklevel=2,
            )
        else:
            return content
    return None


def pack(value, arrays):
    """Turns plain values into what JSON can hold.

    Args:
        value: As `content` of `write_checkpoint`.
        arrays: List, to which the arrays in `value` are appended.

    Returns:
        The same, with dicts that say what JSON has no word for: arrays (by their number), NumPy's
        scalars, tuples, and dicts.

    Raises:
        TypeError: If there is something else in `value`.
    """
    if isinstance(value, np.generic) and not isinstance(value, str):
        # Kept apart from Python's numbers: Keras returns scalar weights so, and asks their shape.
        return {"scalar": pack(np.asarray(value), arrays)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.isbuiltin and not value.dtype.hasobject:
        # NumPy's file format has no bfloat16 and the like, which are guests in NumPy.
        guest = value.dtype.isbuiltin == 2
        arrays.append(value.view(f"u{value.dtype.itemsize}") if guest else value)
        return {"array": len(arrays) - 1, "dtype": value.dtype.name}
    if isinstance(value, list):
        return [pack(one, arrays) for one in value]
    if isinstance(value, tuple):
        return {"tuple": [pack(one, arrays) for one in value]}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: pack(one, arrays) for name, one in value.items()}}
    raise TypeError(f"Expected numbers, strings, arrays and lists of them. Received: {value!r}.")


def _unpack(value, arrays):
    if isinstance(value, list):
        return [_unpack(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[f"array_{value['array']}"].view(value["dtype"])
    if "scalar" in value:
        return _unpack(value["scalar"], arrays)[()]
    if "tuple" in value:
        return tuple(_unpack(one, arrays) for one in value["tuple"])
    return {name: _unpack(one, arrays) for name, one in value["dict"].items()}


def _read(path):
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"The checksum of {damaged!r} in it is wrong.")
    with np.load(path, allow_pickle=False) as arrays:
        return _unpack(json.loads(arrays["content"].tobytes()), arrays)


def _file(folder, epoch):
    return folder / f"epoch_{epoch:06}.npz"  # Sorted by name they are sorted by epoch.


def _files(folder):
    return folder.glob("epoch_*.npz")
