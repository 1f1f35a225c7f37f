"""`data`: the data to learn from, by its `type`."""

from typing import Annotated

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.data_section import DataSection
from sparse_keras.schema.sections.tabular.csr import Newsgroups, SparseNPZ, SVMLight
from sparse_keras.schema.sections.tabular.datasets import (
    Adult,
    BreastCancer,
    CensusIncome,
    CreditDefault,
    Diamonds,
    GeneratedMultilabel,
    Letter,
    Satellite,
    Shuttle,
    Support2,
    Vehicle,
    Yeast,
)
from sparse_keras.schema.sections.tabular.files import CSV, NPZ, Excel, Parquet

DATASETS = Choice(
    "data set",
    Adult,
    BreastCancer,
    CensusIncome,
    CreditDefault,
    Diamonds,
    Letter,
    Satellite,
    Shuttle,
    Support2,
    Vehicle,
    Yeast,
    Newsgroups,
    GeneratedMultilabel,
    CSV,
    Parquet,
    Excel,
    NPZ,
    SVMLight,
    SparseNPZ,
    base=DataSection,
)
DataConfig = Annotated[DataSection, DATASETS]
