"""Downloads of data sets: into a cache, continued after an interruption, checked by SHA-256.

A file has its own name in the cache only after its content was checked; until then it ends in
`.part`. So whoever finds a file there may take it.
"""

import base64
import hashlib
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sparse_keras._internal.suggest import did_you_mean

_CHUNK = 1 << 18
_TIMEOUT = 30  # seconds without an answer


class FetchError(OSError):
    """A file could not be had. The message says how to get it by hand."""


def cache_folder():
    """The folder of downloaded files: `SPARSE_KERAS_HOME`, or in the platform's cache folder."""
    home = os.environ.get("SPARSE_KERAS_HOME")
    if home:
        return Path(home).expanduser()
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "sparse_keras"


def cached(sha256, filename):
    """The file in the cache, a `Path`; None if it is not there or is another."""
    path = cache_folder() / filename
    return path if path.is_file() and _sha256(path) == sha256 else None


def fetch(url, sha256, filename, progress=None):
    """Returns a file of the cache, downloaded if it is not there.

    A download that was interrupted is continued where the server can do that.

    Args:
        url: Where the file is; or several places, tried one after the other.
        sha256: Hexadecimal SHA-256 of its content.
        filename: Its name in the cache.
        progress: Optional function of (bytes there, bytes in all or None), called now and then.

    Returns:
        The `Path` of a file whose content has that SHA-256.

    Raises:
        FetchError: If it cannot be downloaded, or its content is another.
    """
    found = cached(sha256, filename)
    if found:
        return found
    path = cache_folder() / filename
    part = path.with_name(f"{filename}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for place in [url] if isinstance(url, str) else url:
        try:
            _download_checked(place, sha256, part, progress)
            os.replace(part, path)
            return path
        except FetchError as error:
            failures.append(error)
    kept = f" What has come is kept in {part}: the next try goes on from there."
    raise FetchError(
        f"{' '.join(map(str, failures))}{kept if part.is_file() else ''} To get it by hand, "
        f"download {_shown(place)} and save it as {path}; its SHA-256 has to be {sha256}."
    ) from failures[-1]


def _download_checked(url, sha256, part, progress):
    """Leaves the file in `part`; raises a `FetchError` with the reason if that cannot be done."""
    try:
        continued = _download(url, part, progress)
        received = _sha256(part)
        if received != sha256 and continued:
            # What was there may have been the beginning of another file.
            part.unlink()
            _download(url, part, progress)
            received = _sha256(part)
    except (OSError, HTTPException) as error:
        is_status = isinstance(error, urllib.error.HTTPError)
        reason = error if is_status else getattr(error, "reason", None) or error
        raise FetchError(f"Cannot download {_shown(url)}: {reason}.") from error
    if received != sha256:
        part.unlink()
        raise FetchError(
            f"What came from {_shown(url)} is not the file expected: its SHA-256 is {received}. "
            "It was deleted."
        )


def iter_members(path, wanted):
    """Yields the name and the content of files in a zip or tar archive, in its order, in one pass.

    Nothing is unpacked to disk, and one file at a time is in memory.

    Args:
        path: Path of the archive.
        wanted: Function of the path of a file in the archive that returns whether it is wanted.

    Raises:
        ValueError: If `path` is not an archive.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not entry.is_dir() and wanted(entry.filename):
                    yield entry.filename, archive.read(entry)
        return
    _refuse_no_archive(path)
    with tarfile.open(path) as archive:
        for entry in archive:
            if entry.isfile() and wanted(entry.name):
                yield entry.name, archive.extractfile(entry).read()


def read_member(path, member):
    """Returns the content of one file in a wheel, or in another zip or tar archive.

    Nothing is unpacked to disk, and no code of the archive runs.

    Args:
        path: Path of the archive.
        member: Path of the file in the archive.

    Returns:
        Bytes.

    Raises:
        ValueError: If `path` is not an archive, or has no such file.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _refuse_unknown(member, archive.namelist(), path)
            return archive.read(member)
    _refuse_no_archive(path)
    with tarfile.open(path) as archive:
        _refuse_unknown(member, [entry.name for entry in archive if entry.isfile()], path)
        return archive.extractfile(member).read()


def extract_member(path, member, to):
    """Writes one file of a zip archive, such as a wheel, to a path, piece by piece.

    Raises:
        ValueError: If `path` is no zip archive, or has no such file.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a zip archive.")
    with zipfile.ZipFile(path) as archive:
        _refuse_unknown(member, archive.namelist(), path)
        with archive.open(member) as source, open(to, "wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)


def checked(content, sha256, what):
    """Returns bytes whose SHA-256 is the one expected.

    Raises:
        ValueError: If it is another.
    """
    received = hashlib.sha256(content).hexdigest()
    if received != sha256:
        raise ValueError(f"{what} has the SHA-256 {received}. Expected: {sha256}.")
    return content


def _refuse_no_archive(path):
    if not tarfile.is_tarfile(path):
        raise ValueError(f"{path} is neither a zip nor a tar archive.")


def _refuse_unknown(member, names, path):
    if member not in names:
        raise ValueError(f"{path} holds no file {member!r}.{did_you_mean(member, names)}")


def _download(url, part, progress):
    """Writes to `part`, after what is there already. Returns whether anything of that was kept."""
    have = part.stat().st_size if part.is_file() else 0
    try:
        response = open_url(url, {"Range": f"bytes={have}-"} if have else {})
    except urllib.error.HTTPError as error:
        if have and error.code == 416:  # Nothing comes after what is there.
            return True
        raise
    with response:
        continued = response.status == 206  # A server that cannot do that sends all of it.
        have = have if continued else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with open(part, "ab" if continued else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress:
                    progress(have, total)
    if total is not None and have < total:
        raise OSError(f"the connection ended after {have:,} of {total:,} bytes")
    return continued


def open_url(url, headers):
    """Opens a URL. A user and password in it are sent as such, and to no other host."""
    user = urlsplit(url).netloc.rpartition("@")[0]
    request = urllib.request.Request(_shown(url), headers=headers)
    if user:
        secret = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return urllib.request.urlopen(request, timeout=_TIMEOUT)


def with_credentials(url, index):
    """Returns the URL with the user and password of an index, if it is on the host of the index."""
    there, home = urlsplit(url), urlsplit(index)
    user, _, host = home.netloc.rpartition("@")
    same = (there.scheme, there.netloc) == (home.scheme, host)
    return there._replace(netloc=f"{user}@{host}").geturl() if user and same else url


def _shown(url):
    """The URL without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
