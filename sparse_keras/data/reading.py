"""What reading a file of any format needs: that it is there and fits, and words for its damage."""

import bz2
import contextlib
import gzip
import lzma
import os
from pathlib import Path

from sparse_keras._internal.memory import check_memory, free_memory, gigabytes
from sparse_keras._internal.suggest import did_you_mean

# How a compressed file of text is opened, by the last suffix of its name.
_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_PART = 1 << 20  # bytes


def check_exists(path):
    """Raises a `ValueError` if there is no such file."""
    if os.path.isfile(path):  # Path.is_file raises OSError for names that are too long.
        return
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder. Expected a data file.")
    folder = Path(path).parent
    message = f"Data file {path} does not exist."
    if not os.path.isdir(folder):
        raise ValueError(f"{message} There is no folder {folder}.")
    siblings = os.listdir(folder)
    empty = "" if siblings else f" Its folder {folder} is empty."
    raise ValueError(f"{message}{did_you_mean(Path(path).name, siblings)}{empty}")


@contextlib.contextmanager
def errors_naming(path, wrong):
    """A context for a library that reads a file: its errors become a `ValueError` about the file.

    It takes any `Exception`: what libraries raise for damaged files is not documented, and is
    KeyError, OverflowError, RuntimeError, struct.error and more.

    Args:
        path: The file.
        wrong: What is wrong then, such as "cannot be read as Parquet".
    """
    try:
        yield
    except MemoryError as error:
        raise ValueError(
            f"{path} {wrong}: it needs more memory than is free. {error}".strip()
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # Such as a file without permission to read it: this names the file already.
        raise ValueError(f"{path} {wrong}: {reason(error)}") from error


def reason(error):
    """The first line of an error for people, with its type where the words alone say nothing."""
    words = str(error).strip().partition("\n")[0].rstrip(".")
    if len(words) > 300:
        words = f"{words[:300]}..."
    if isinstance(error, (ValueError, OSError)) and words:
        return f"{words}."
    return f"{type(error).__name__}: {words}." if words else f"{type(error).__name__}."


def check_fits(path, nbytes, advice):
    """Raises a `ValueError` if a file clearly leaves no room for what is made of its content.

    Args:
        path: The file.
        nbytes: Bytes of its content. Reading and encoding them take at least twice as many.
        advice: What to do instead, a sentence.
    """
    check_memory(
        f"{path} holds {gigabytes(nbytes)} of data. To read it takes at least", 2 * nbytes, advice
    )


def compression(path):
    """The suffix of a compressed file, ".gz", ".bz2" or ".xz"; "" for any other file."""
    suffix = Path(path).suffix.lower()
    return suffix if suffix in _OPENERS else ""


def suffix_of(path):
    """The suffix that tells the format of a file: ".csv" for table.CSV and for table.csv.gz."""
    path = Path(path)
    return Path(path.stem if compression(path) else path.name).suffix.lower()


def open_bytes(path):
    """Opens a file to read its bytes, unpacked if its name says that it is compressed."""
    return _OPENERS.get(compression(path), open)(path, "rb")


def unpacked_size(path):
    """Bytes of a file's content, unpacked.

    A compressed file is read once for this, which takes a fraction of the time of reading it as a
    table: what its last bytes say is the size modulo 4 GiB, of its last part. Counting stops
    beyond the memory that is free.
    """
    if not compression(path):
        return os.path.getsize(path)
    most = free_memory()
    size = 0
    with errors_naming(path, "is damaged"), open_bytes(path) as file:
        while part := file.read(_PART):
            size += len(part)
            if most is not None and size > most:
                break
    return size


def pyarrow_for(path):
    """The package `pyarrow`, which is heavy and only this format's, for reading or writing a file.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError(f"{path}: Parquet needs another package: pip install pyarrow") from None
    return pyarrow


def not_utf8(path):
    """Returns the sentence that says where a file of text is not UTF-8."""
    line, position = 0, None
    with errors_naming(path, "is damaged"), open_bytes(path) as file:
        for line, content in enumerate(file, 1):  # noqa: B007
            try:
                content.decode("utf-8")
            except UnicodeDecodeError as error:
                position = error
                break
    where = f", line {line}" if position else ""
    what = f" ({position.object[position.start : position.start + 1]!r})" if position else ""
    return (
        f"{path}{where} is not UTF-8 text{what}. Save the file as UTF-8, for example with "
        f"iconv -f {'UTF-16' if _is_utf16(path) else 'WINDOWS-1252'} -t UTF-8."
    )


def _is_utf16(path):
    with open_bytes(path) as file:
        return file.read(2) in (b"\xff\xfe", b"\xfe\xff")
