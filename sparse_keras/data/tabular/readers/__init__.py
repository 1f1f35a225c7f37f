"""Where data sets come from: one reader a file, each `read(options) -> RawTable`.

`options` is the config's `data` section; a reader looks only at the keys of its own type.
"""

from sparse_keras._internal.builders import Builders
from sparse_keras.data.tabular.readers import (
    adult,
    breast_cancer,
    census_income,
    credit_default,
    csv,
    diamonds,
    excel,
    generated,
    newsgroups,
    npz,
    parquet,
    sparse_npz,
    statlog,
    support2,
    svmlight,
    yeast,
)
from sparse_keras.data.tabular.readers.raw import RawTable

READERS = Builders(
    "data",
    {
        "adult": adult.read,
        "breast_cancer": breast_cancer.read,
        "census_income": census_income.read,
        "credit_default": credit_default.read,
        "csv": csv.read,
        "diamonds": diamonds.read,
        "excel": excel.read,
        "generated_multilabel": generated.read,
        "letter": statlog.read_letter,
        "newsgroups": newsgroups.read,
        "npz": npz.read,
        "parquet": parquet.read,
        "sparse_npz": sparse_npz.read,
        "svmlight": svmlight.read,
        "satellite": statlog.read_satellite,
        "shuttle": statlog.read_shuttle,
        "support2": support2.read,
        "vehicle": statlog.read_vehicle,
        "yeast": yeast.read,
    },
)

__all__ = ["READERS", "RawTable"]
