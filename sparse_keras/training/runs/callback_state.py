"""What a Keras callback has to remember for a training to go on as if it had not stopped.

Keras has no word for it, so it is found out: of a callback's attributes, those that hold plain
values (numbers, strings, arrays, and lists, tuples and dicts of them) and that training changed.
What the constructor or `on_train_begin` sets, and training leaves alone, stays as it is in the
resumed training: a `log_dir`, or another patience. A callback may instead say what to keep, in two
methods named as in PyTorch: `state_dict()`, which returns a dict of plain values, and
`load_state_dict(state)`, called after `on_train_begin`.
"""

import hashlib
import json

import numpy as np

from sparse_keras.training.runs.checkpoints import pack


def attributes(callback):
    """The plain attributes of a callback.

    Returns:
        A dict from name to (value, digest of the value).
    """
    found = {}
    for name, value in vars(callback).items():
        # Keras turns the sign of `min_delta` once it knows the direction of the monitored value,
        # which a resumed training finds out anew.
        if name == "min_delta" and hasattr(callback, "monitor_op"):
            continue
        arrays = []
        try:
            text = json.dumps(pack(value, arrays))
        except TypeError:
            continue  # A writer of logs, a function, the model: made anew, not kept.
        digest = hashlib.sha256(text.encode())
        for array in arrays:
            digest.update(np.ascontiguousarray(array))
        found[name] = (value, digest.digest())
    return found


def state_of(callback, before):
    """The state to keep.

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


def restore(callback, state):
    """Puts back what `state_of` returned."""
    if hasattr(callback, "load_state_dict"):
        callback.load_state_dict(state)
    else:
        vars(callback).update(state)


def numbered(callbacks):
    """Names for callbacks, the same in every process.

    Returns:
        A dict from "EarlyStopping", "EarlyStopping 2" and so on to the callback.
    """
    named = {}
    for callback in callbacks:
        kind = type(callback).__name__
        same = sum(type(other).__name__ == kind for other in named.values())
        named[kind if not same else f"{kind} {same + 1}"] = callback
    return named
