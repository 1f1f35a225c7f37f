"""Checks of arguments that several layers share.

Each function returns the value it was given, so that a constructor checks and stores it in one
line: `self.k = positive_int("k", k)`.
"""

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np


def positive_int(name: str, value: Any) -> int:
    """Returns `value` as an `int`.

    Raises:
        ValueError: If it is not an integer of at least 1.
    """
    return _int_from(1, "a positive integer", name, value)


def non_negative_int(name: str, value: Any) -> int:
    """Returns `value` as an `int`.

    Raises:
        ValueError: If it is not an integer of at least 0.
    """
    return _int_from(0, "an integer of at least 0", name, value)


def _int_from(least, what, name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"`{name}` must be {what}. Received: {name}={value!r}.")
    return int(value)


def optional_int(name: str, value: Any) -> int | None:
    """Returns `value`, such as a seed, as an `int`, or `None` if it is `None`.

    Raises:
        ValueError: If it is neither `None` nor an integer.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"`{name}` must be None or an integer. Received: {name}={value!r}.")
    return int(value)


def optional_positive_int(name: str, value: Any) -> int | None:
    """Returns `value` as an `int`, or `None` if it is `None`.

    Raises:
        ValueError: If it is neither `None` nor an integer of at least 1.
    """
    return None if value is None else positive_int(name, value)


# How messages call the intervals that have a name.
_NAMES = {"(0, inf)": "a positive number", "[0, inf)": "a number of at least 0"}


def number(name: str, value: Any, interval: str) -> float:
    """Returns `value`, a number in an interval such as `"[0, 1)"`.

    Raises:
        ValueError: If it is outside, NaN, or no number, as True and False are none.
    """
    if not _is_in(value, interval):
        raise ValueError(f"`{name}` must be {_words(interval)}. Received: {name}={value!r}.")
    return value if isinstance(value, (int, float)) else float(value)


def optional_number(name: str, value: Any, interval: str) -> float | None:
    """Returns `value`, a number in an interval, or `None`.

    Raises:
        ValueError: If it is neither.
    """
    if value is not None and not _is_in(value, interval):
        words = _words(interval)
        raise ValueError(f"`{name}` must be None or {words}. Received: {name}={value!r}.")
    return None if value is None else number(name, value, interval)


def _is_in(value: Any, interval: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    low, high = map(float, interval[1:-1].split(","))
    above = low < value if interval[0] == "(" else low <= value
    return above and (value < high if interval[-1] == ")" else value <= high)


def _words(interval: str) -> str:
    return _NAMES.get(interval, f"a number in {interval}")


def loss_weight(name: str, value: Any) -> float:
    """Returns `value`, the weight of a loss.

    Raises:
        ValueError: If it is negative, not finite, or no number.
    """
    return number(name, value, "[0, inf)")


def boolean(name: str, value: Any) -> bool:
    """Returns `value`, True or False.

    Raises:
        ValueError: If it is neither. 1 is not accepted for True, nor 0 for False.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}.")
    return bool(value)


def group_numbers(name: str, value: Any) -> list[int] | None:
    """Returns `value`, the number of the group that each of a list belongs to, or `None`.

    Raises:
        ValueError: If it is neither `None` nor a sequence of 0, 1, 2, ... without gaps.
    """
    if value is None:
        return None
    entries = list(value) if isinstance(value, Iterable) else [None]
    are_integers = all(
        isinstance(entry, numbers.Integral) and not isinstance(entry, bool) for entry in entries
    )
    if not are_integers or {*entries} != {*range(len({*entries}))}:
        raise ValueError(
            f"`{name}` must number the groups 0, 1, 2, ... without gaps. Received: "
            f"{name}={value!r}."
        )
    return [int(entry) for entry in entries]


def integer_tensor(name: str, value: Any) -> Any:
    """Returns a call argument that holds integers, or `None`.

    Keras rounds floats to the dtype of a layer: bfloat16 has no 257.

    Raises:
        ValueError: If it is a tensor of floats or strings.
    """
    dtype = keras.backend.standardize_dtype(getattr(value, "dtype", "int32"))
    if keras.backend.is_float_dtype(dtype) or dtype == "string":
        raise ValueError(f"`{name}` must be integers. Received: a tensor of {dtype}.")
    return value


def one_of(name: str, value: Any, options: Sequence[Any]) -> Any:
    """Returns `value`, one of a few options such as `(None, True, False, "softmax")`.

    1 is not accepted for True, nor 0 for False, although they are equal in Python.

    Raises:
        ValueError: If it is not among them.
    """
    for option in options:
        if value is option or (isinstance(value, str) and value == option):
            return value
    raise ValueError(f"`{name}` must be one of {tuple(options)}. Received: {name}={value!r}.")
