"""Files that are whole or not there, whenever the process is killed."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def replacing(path):
    """Yields a path beside `path` to write to, which takes its place when the block is done.

    What was at `path` before stays until then, and for good if the block raises. The new file is on
    the disk, not only in its cache, before it gets its name.

    Args:
        path: The file, in a folder that is there. The temporary one has its suffix, by which Keras
            and NumPy choose a format, and a name that starts with a dot.
    """
    path = Path(path)
    partial = path.with_name(f".partial_{path.name}")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":  # Elsewhere a folder cannot be opened, and renaming is left to itself.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path, text):
    """Writes a UTF-8 text file in one piece."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")  # Line ends as they are.
