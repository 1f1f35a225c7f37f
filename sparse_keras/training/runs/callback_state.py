"""The state of a Keras callback, for a training that resumes as if it had not stopped.

Keras does not define such a state. Here it is the attributes of the callback that hold plain values
(numbers, strings, arrays, and lists, tuples and dicts of them) and that training changed. What the
constructor or `on_train_begin` sets and training leaves alone, such as a `log_dir` or the patience,
is as the resumed training sets it. A callback may instead define its state, in two methods named as
in PyTorch: `state_dict()`, which returns a dict of plain values, and `load_state_dict(state)`,
called after `on_train_begin`, and once more after `on_epoch_begin` if training resumes within an
epoch.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from sparse_keras.training.runs.checkpoints import pack


def attributes(callback: keras.callbacks.Callback) -> dict[str, tuple[Any, bytes]]:
    """The plain attributes of a callback.

    Returns:
        A dict from name to (value, digest of the value).
    """
    plain = {}
    for name, value in vars(callback).items():
        # Keras negates `min_delta` once it knows the direction of the monitored value, and does so
        # again in a resumed training.
        if name == "min_delta" and hasattr(callback, "monitor_op"):
            continue
        arrays = []
        try:
            text = json.dumps(pack(value, arrays))
        except TypeError:
            continue  # A writer of logs, a function, the model: these are made anew.
        digest = hashlib.sha256(text.encode())
        for array in arrays:
            digest.update(np.ascontiguousarray(array))
        plain[name] = (value, digest.digest())
    return plain


def state_of(
    callback: keras.callbacks.Callback, before: dict[str, tuple[Any, bytes]]
) -> dict[str, Any]:
    """The state of a callback, for a checkpoint.

    Args:
        callback: A `keras.callbacks.Callback`.
        before: What `attributes` returned when training began.
    """
    if hasattr(callback, "state_dict"):
        return callback.state_dict()
    return {
        name: value
        for name, (value, digest) in attributes(callback).items()
        if name not in before or before[name][1] != digest
    }


def restore(callback: keras.callbacks.Callback, state: dict[str, Any]) -> None:
    """Puts back what `state_of` returned."""
    if hasattr(callback, "load_state_dict"):
        callback.load_state_dict(state)
    else:
        vars(callback).update(state)


def numbered(
    callbacks: Iterable[keras.callbacks.Callback],
) -> dict[str, keras.callbacks.Callback]:
    """Names callbacks, the same in every process.

    Returns:
        A dict from "EarlyStopping", "EarlyStopping 2" and so on to the callback.
    """
    named = {}
    for callback in callbacks:
        kind = type(callback).__name__
        same = sum(type(other).__name__ == kind for other in named.values())
        named[kind if not same else f"{kind} {same + 1}"] = callback
    return named
