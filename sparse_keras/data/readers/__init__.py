"""Where data sets come from: one reader a file, each `read(options) -> RawTable`.

`options` is the config's `data` section; a reader looks only at the keys of its own type.
"""

from sparse_keras._plugin_builders import Builders
from sparse_keras.data.readers import adult, breast_cancer, csv, generated, npz, parquet
from sparse_keras.data.readers.raw import RawTable

READERS = Builders(
    "data",
    {
        "adult": adult.read,
        "breast_cancer": breast_cancer.read,
        "csv": csv.read,
        "generated_multilabel": generated.read,
        "npz": npz.read,
        "parquet": parquet.read,
    },
)

__all__ = ["READERS", "RawTable"]
