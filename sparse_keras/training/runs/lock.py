"""One process at a time trains in a run's folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock.
    fcntl = None


@contextlib.contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder. The system releases it when the process ends, killed or not.

    Args:
        folder: The folder, which must exist.

    Raises:
        ValueError: If another process holds it.
    """
    with open(folder / "lock", "a", opener=_without_following) as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"Another process is training in {str(folder.parent)!r} right now."
                ) from None
        yield


def _without_following(path, flags):
    """Opens a file, but not the one that a link at its place points to."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
