"""`data`: matrices that are mostly zeros: texts as TF-IDF, and matrices of your own."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sparse_keras.schema.core.section import BetweenZeroAndOne, Count, Path, Text
from sparse_keras.schema.sections.tabular.table import IGNORE_CASE, HeldOutRows


class TextSection(HeldOutRows):
    """Texts as TF-IDF: weighted counts of the words that occur in the training rows."""

    sublinear_tf: bool = Field(
        True, description="Whether a word that occurs c times in a text counts as 1 + log(c)."
    )
    min_df: Count = Field(
        2, description="Minimum number of training texts in which a word must occur."
    )
    ngram_max: Annotated[int, Field(ge=1, le=5)] = Field(
        1, description="Maximum number of words in an n-gram; 1 counts single words only."
    )
    max_features: Count | None = Field(
        None, description="Maximum number of words and n-grams, the most frequent ones. Null: all."
    )


class Newsgroups(TextSection):
    """20 Newsgroups: which group was a message posted to? Split by date. For research only."""

    type: Literal["newsgroups"] = Field(
        "newsgroups", description="20 Newsgroups, texts in 20 classes."
    )

    def unused(self) -> dict[str, str]:
        if self.validation_fraction:
            return {}
        return {"split_seed": "validation_fraction is 0 and the test split is the official one"}


class MatrixSection(HeldOutRows):
    """A matrix of your own that is mostly zeros."""

    FILES: ClassVar[tuple[str, ...]] = ("path",)

    test_fraction: BetweenZeroAndOne = Field(
        0.2, description="Fraction of all rows held out for testing."
    )
    path: Path = Field(
        description="Path of the file, relative to the folder of the YAML file that gives it."
    )
    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        "auto", description="Kind of target; auto infers it from the values."
    )


class SVMLight(MatrixSection):
    """A svmlight (libsvm) file of your own: lines of a target and column:value of each non-zero."""

    type: Literal["svmlight"] = Field("svmlight", description="A svmlight file of your own.")
    zero_based: bool = Field(
        False, description="Whether the file numbers its columns from 0 instead of 1."
    )
    num_columns: Count | None = Field(
        None,
        description="Number of columns. Null: up to the last column with a non-zero value.",
    )


class SparseNPZ(MatrixSection):
    """A matrix of your own from scipy.sparse.save_npz, and a table with the target of each row."""

    FILES: ClassVar[tuple[str, ...]] = ("path", "targets")

    type: Literal["sparse_npz"] = Field(
        "sparse_npz", description="A matrix of your own, from scipy.sparse.save_npz."
    )
    targets: Path = Field(
        description="Path of a CSV, Parquet or NPZ file with the target, a row for each "
        "row of the matrix."
    )
    target: Text = Field(description="The column of that file to predict.")
    ignore_case: bool | None = IGNORE_CASE
