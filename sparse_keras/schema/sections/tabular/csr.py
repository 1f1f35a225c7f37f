"""`data`: what is mostly zeros: texts as TF-IDF, and matrices of one's own."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.section import BetweenZeroAndOne, Count, Path, Text
from sparse_keras.schema.sections.tabular.table import HeldOutRows


class TextSection(HeldOutRows):
    """A column of texts, as weighted counts of the words of the training rows (TF-IDF)."""

    sublinear_tf: bool = Field(
        True, description="Whether a word that is c times in a text counts as 1 + log(c)."
    )
    min_df: Count = Field(2, description="Fewest training texts that a word must be in.")
    ngram_max: Annotated[int, Field(ge=1, le=5)] = Field(
        1, description="Most words of a run of words that counts as a word of its own."
    )
    max_features: Count | None = Field(
        None, description="Most words, the most frequent ones. Null: all."
    )


class Newsgroups(TextSection):
    """20 Newsgroups: which of 20 groups was a message posted to? Split by date. For research."""

    type: Literal["newsgroups"] = Field("newsgroups", description="20 Newsgroups, texts.")

    def unused(self):
        if self.validation_fraction:
            return {}
        return {"split_seed": "validation_fraction is 0 and the test split is the official one"}


class MatrixSection(HeldOutRows):
    """A matrix of your own that is mostly zeros."""

    FILES = ("path",)

    test_fraction: BetweenZeroAndOne = Field(0.2, description="Part of all rows kept for the test.")
    path: Path = Field(
        description="The file. A relative path starts at the folder of the YAML file that names it."
    )
    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        "auto", description="What kind of target it is; auto looks at its values."
    )


class SVMLight(MatrixSection):
    """A svmlight (libsvm) file of your own: the target, then column:value of what is not zero."""

    type: Literal["svmlight"] = Field("svmlight", description="A svmlight file of your own.")
    zero_based: bool = Field(False, description="Whether the file counts its columns from 0.")
    num_columns: Count | None = Field(
        None, description="Number of columns. Null: up to the last that is not zero in some row."
    )


class SparseNPZ(MatrixSection):
    """A matrix of your own from scipy.sparse.save_npz, and a table with the target of each row."""

    FILES = ("path", "targets")

    type: Literal["sparse_npz"] = Field(
        "sparse_npz", description="A matrix of your own, from scipy.sparse.save_npz."
    )
    targets: Path = Field(
        description="The table with the target: a CSV, Parquet or NPZ file, a row for each of the "
        "matrix's."
    )
    target: Text = Field(description="The column of that table to predict.")
