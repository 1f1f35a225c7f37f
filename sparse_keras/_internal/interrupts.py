"""Ctrl-C at the command line: one `KeyboardInterrupt` for each press, whenever it comes.

Python raises one for each signal. A terminal, a shell and a supervisor may send several within
milliseconds, of which the second would interrupt what cleans up after the first. And code that
catches every error, as imports and destructors do, loses one: `check` raises it again.

Imports nothing slow: `__main__` installs this before anything else.
"""

import os
import signal
import time
from types import FrameType

_SAME = 1.0  # seconds within which signals are one press
_pressed: float | None = None
_leaving = False


def install() -> None:
    """Handles SIGINT from now on, unless the process was told to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _handle)


def pressed() -> bool:
    """Whether Ctrl-C was pressed."""
    return _pressed is not None


def check() -> None:
    """Raises the `KeyboardInterrupt` of a press that was lost."""
    if pressed():
        raise KeyboardInterrupt


def leave() -> None:
    """Everything is done and said: from now on there is no traceback.

    A process that was interrupted ignores what else was sent with the first signal, and keeps its
    exit code. Another one ends at once if Ctrl-C is pressed.
    """
    global _leaving
    _leaving = True
    if pressed():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _handle(number: int, frame: FrameType | None) -> None:
    global _pressed
    now, before = time.monotonic(), _pressed
    if before is not None and now - before < _SAME:
        return
    _pressed = now
    if _leaving:
        os._exit(1)
    raise KeyboardInterrupt
