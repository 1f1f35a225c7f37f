"""Files and folders that are whole or not there, whenever the process is killed.

What is being written has a random name beside its place, created so that no link at that name is
followed. Its process holds a lock on it, by which the next one recognises what a killed process
left behind, and removes it.
"""

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, what was left behind stays.
    fcntl = None

_PREFIX = ".partial_"
_RANDOM = 8  # hexadecimal digits
# No space left on the device, over the quota, larger than files may be.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(path, overwrite=True):
    """Yields a path beside `path` to write to, which takes its place when the block is done.

    What was at `path` before stays until then, and for good if the block raises. The new file is on
    the disk, not only in its cache, before it gets its name.

    Args:
        path: The file, in a folder that is there. The temporary one has its suffix, by which Keras
            and NumPy choose a format, and a name that starts with a dot.
        overwrite: Whether a file that appears at `path` while the block runs may be replaced.

    Raises:
        FileExistsError: If there is one, and `overwrite` is false.
        OSError: If the disk is full, or for another reason. It names the file.
    """
    path = Path(path)
    remove_abandoned(path.parent, path.name)
    partial = _partial(path)
    with _naming_a_full_disk(path), contextlib.ExitStack() as exits:
        file = exits.enter_context(open(partial, "x"))  # "x" never follows a link.
        exits.callback(partial.unlink, missing_ok=True)
        if fcntl is None:
            file.close()  # An open file cannot be renamed.
        else:
            with contextlib.suppress(OSError):  # A file system that has no locks.
                _lock(file.fileno())
        yield partial
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        if overwrite:
            os.replace(partial, path)
        else:
            _rename_to_new(partial, path)
        _sync_folder(path.parent)


def write_text(path, text, overwrite=True):
    """Writes a UTF-8 text file in one piece; see `replacing`."""
    with replacing(path, overwrite) as partial:
        partial.write_text(text, encoding="utf-8", newline="")  # Line ends as they are.


@contextlib.contextmanager
def new_folder(path):
    """Yields a new folder beside `path`, which becomes `path` when the block is done.

    Args:
        path: The folder, in one that is there.

    Raises:
        FileExistsError: If there is something at `path`.
    """
    path = Path(path)
    remove_abandoned(path.parent)
    partial = _partial(path)
    partial.mkdir()
    held = None if fcntl is None else os.open(partial, os.O_RDONLY)
    try:
        if held is not None:
            with contextlib.suppress(OSError):
                _lock(held)
        with _naming_a_full_disk(path):
            yield partial
        if os.path.lexists(path):
            raise FileExistsError(f"{str(path)!r} exists already.")
        try:
            os.rename(partial, path)
        except OSError as error:  # Several, if another process has just made a folder there.
            if not os.path.lexists(path):
                raise
            raise FileExistsError(f"{str(path)!r} exists already.") from error
        _sync_folder(path.parent)
    finally:
        if held is not None:
            os.close(held)
        shutil.rmtree(partial, ignore_errors=True)


def remove_abandoned(folder, name=""):
    """Removes what killed processes were writing to a folder.

    Args:
        folder: The folder.
        name: The name of the file that they were writing; all of them if it is empty.
    """
    if fcntl is None:
        return
    pattern = f"{_PREFIX}{'[0-9a-f]' * _RANDOM}_*"
    for path in Path(folder).glob(pattern):
        if name and path.name[len(_PREFIX) + _RANDOM + 1 :] != _end_of(name):
            continue
        with contextlib.suppress(OSError):  # A link, or another process is writing it.
            held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                _lock(held)
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            finally:
                os.close(held)


def is_abandoned_name(name):
    """Whether a name is one of those that files and folders have while they are written."""
    return name.startswith(_PREFIX)


def _partial(path):
    return path.with_name(f"{_PREFIX}{secrets.token_hex(_RANDOM // 2)}_{_end_of(path.name)}")


def _end_of(name):
    """Short enough for a long name to get a longer one."""
    return name[-50:]


def _lock(descriptor):
    """Locks a file until it is closed. Raises an OSError if another process has locked it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _rename_to_new(partial, path):
    """Renames a file, unless there is one at the new name."""
    try:
        os.link(partial, path)  # Unlike renaming, it fails then.
    except FileExistsError:
        raise FileExistsError(
            f"{str(path)!r} exists: another process has written it meanwhile. It is unchanged."
        ) from None
    except OSError:  # A file system without hard links.
        if os.path.lexists(path):
            raise
        os.replace(partial, path)


def _sync_folder(folder):
    if os.name == "posix":  # Elsewhere a folder cannot be opened, and renaming is left to itself.
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _naming_a_full_disk(path):
    """Names the file in the error of a full disk, which does not say which file it was."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
