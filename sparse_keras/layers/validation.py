"""Checks of constructor arguments that several layers share.

Each function returns the value it was given, so that a constructor checks and stores it in one
line: `self.k = positive_int("k", k)`.
"""

import numbers
from collections.abc import Sequence
from typing import Any


def positive_int(name: str, value: Any) -> int:
    """Returns `value` as an `int`.

    Raises:
        ValueError: If it is not an integer of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}.")
    return int(value)


def optional_positive_int(name: str, value: Any) -> int | None:
    """Returns `value` as an `int`, or `None` if it is `None`.

    Raises:
        ValueError: If it is neither `None` nor an integer of at least 1.
    """
    return None if value is None else positive_int(name, value)


def optional_positive(name: str, value: float | None) -> float | None:
    """Returns `value`, a finite number above 0, or `None`.

    Raises:
        ValueError: If it is neither.
    """
    if value is not None and not 0.0 < value < float("inf"):
        raise ValueError(f"`{name}` must be None or a positive number. Received: {value!r}.")
    return value


def loss_weight(name: str, value: float) -> float:
    """Returns `value`, the weight of a loss.

    Raises:
        ValueError: If it is negative or not finite.
    """
    if not 0.0 <= value < float("inf"):
        raise ValueError(f"`{name}` must be a weight of at least 0. Received: {name}={value!r}.")
    return value


def one_of(name: str, value: Any, options: Sequence[Any]) -> Any:
    """Returns `value`, one of a few options such as `(None, True, False, "softmax")`.

    1 is not accepted for True, nor 0 for False, although they are equal in Python.

    Raises:
        ValueError: If it is not among them.
    """
    for option in options:
        if value is option or (isinstance(option, str) and value == option):
            return value
    raise ValueError(f"`{name}` must be one of {tuple(options)}. Received: {name}={value!r}.")
