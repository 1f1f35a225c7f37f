"""Where the files of each table come from, and under which licence."""

from sparse_keras.data.download.sources import Computed, OwnFile, Package, Packaged, Vendored
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
