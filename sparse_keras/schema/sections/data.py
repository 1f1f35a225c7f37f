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
from sparse_keras.schema.sections.text.corpora import (
    Brown,
    ChinesePoetry,
    Shakespeare,
    SymPy,
    TextFiles,
    Writings,
)
from sparse_keras.schema.sections.text.labelled import (
    ChineseReviews,
    OwnLabelledTexts,
    ReutersR8,
    ReutersR52,
    SpamAssassin,
    TwentyNewsgroups,
)

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
    Shakespeare,
    Brown,
    SymPy,
    ChinesePoetry,
    Writings,
    TextFiles,
    ReutersR8,
    ReutersR52,
    TwentyNewsgroups,
    SpamAssassin,
    ChineseReviews,
    OwnLabelledTexts,
    base=DataSection,
)
DataConfig = Annotated[DataSection, DATASETS]
