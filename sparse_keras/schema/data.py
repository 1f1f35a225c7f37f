"""`data`: the table to learn from, how it is split and how its numeric columns are encoded."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from sparse_keras.schema.choice import Choice
from sparse_keras.schema.section import BetweenZeroAndOne, Count, Fraction, Section, Seed


def _absolute(path, info: ValidationInfo):
    folder = (info.context or {}).get("folder", "")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


def _column_or_labels(value):
    labels = tuple(value) if isinstance(value, (list, tuple)) else ()
    if value and isinstance(value, str):
        return value
    if len(labels) > 1 and all(label and isinstance(label, str) for label in labels):
        return labels
    raise PydanticCustomError(
        "target", "Input should be a column, or a list of at least two columns"
    )


Text = Annotated[str, StringConstraints(min_length=1)]
OneCharacter = Annotated[str, StringConstraints(min_length=1, max_length=1)]
ColumnKind = Literal["numeric", "categorical", "ignore"]
Path = Annotated[Text, AfterValidator(_absolute)]


class TableSection(Section):
    """What all tables have, those of plug-ins too: how they are split and encoded."""

    validation_fraction: Fraction = Field(
        0.1, description="Part of the training rows held out for validation. 0: none."
    )
    split_seed: Seed = Field(0, description="Seed of the splits, apart from training.seed.")
    bins: Literal["tree", "quantile", "none"] = Field(
        "tree",
        description="How numeric columns are cut into bins: where a decision tree of the target "
        "cuts, at quantiles, or not at all.",
    )
    max_bins: Annotated[int, Field(ge=2, le=1024)] = Field(
        32, description="Most bins of a numeric column."
    )

    def unused(self):
        return {"max_bins": "bins is none"} if self.bins == "none" else {}


class Adult(TableSection):
    """UCI Adult: does a person earn more than 50,000 dollars (1994 census)? Official test split."""

    type: Literal["adult"] = Field("adult", description="UCI Adult, census income.")

    def unused(self):
        unused = super().unused()
        if self.validation_fraction == 0:
            unused["split_seed"] = "validation_fraction is 0 and the test split is the official one"
        return unused


class _TestSplit(TableSection):
    test_fraction: BetweenZeroAndOne = Field(0.2, description="Part of all rows kept for the test.")


class BreastCancer(_TestSplit):
    """Breast Cancer Wisconsin (Diagnostic), from scikit-learn."""

    type: Literal["breast_cancer"] = Field(
        "breast_cancer", description="Breast Cancer Wisconsin (Diagnostic)."
    )


class GeneratedMultilabel(_TestSplit):
    """Generated rows with several labels each, whose rules differ between regions."""

    type: Literal["generated_multilabel"] = Field(
        "generated_multilabel", description="Made-up rows with several labels each."
    )
    num_samples: Count = Field(5000, description="Number of rows.")
    num_features: Count = Field(100, description="Number of numeric columns.")
    num_labels: Count = Field(64, description="Number of labels, each true or false.")
    seed: Seed = Field(0, description="Seed of the generator.")
    bins: Literal["tree", "quantile", "none"] = Field(
        "none", description="How the columns are cut into bins, as for other data."
    )


class FileSection(_TestSplit):
    """A file of your own."""

    path: Path = Field(
        description="The file. A relative path starts at the folder of the YAML file that names it."
    )
    target: Annotated[Text | tuple[Text, ...], BeforeValidator(_column_or_labels)] = Field(
        description="The column to predict; or a list of columns, each 0 or 1 (multi-label)."
    )
    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        "auto", description="What kind of target it is; auto looks at its values."
    )
    columns: dict[Text, ColumnKind] = Field(
        default_factory=dict,
        description="The kinds of columns that are not what their values suggest: numeric, "
        "categorical or ignore.",
    )
    max_rows: Count | None = Field(
        None,
        description="Most rows to use, drawn at random with split_seed: for a file larger than "
        "memory. Null: all.",
    )

    def unused(self):
        return {"task": "target is a list of labels"} if not isinstance(self.target, str) else {}

    def rules(self):
        targets = (self.target,) if isinstance(self.target, str) else self.target
        if len(set(targets)) < len(targets):
            yield "target", "a column is named twice"
        for name in targets:
            if name in self.columns:
                yield f"columns.{name}", "is the target, whose kind is said by task"


class CSV(FileSection):
    """A CSV file of your own, with a header line."""

    type: Literal["csv"] = Field("csv", description="A CSV file of your own.")
    separator: OneCharacter = Field(",", description="The character between columns.")
    decimal: OneCharacter = Field(".", description="The decimal point of numbers.")

    def rules(self):
        yield from super().rules()
        if self.separator == self.decimal:
            yield "decimal", f"{self.decimal!r} is the separator, too"


class Parquet(FileSection):
    """A Parquet file of your own."""

    type: Literal["parquet"] = Field("parquet", description="A Parquet file of your own.")


class NPZ(FileSection):
    """NumPy arrays of your own: an array of rank 1 is a column, one of rank 2 several."""

    type: Literal["npz"] = Field("npz", description="NumPy arrays of your own, from numpy.savez.")


DATASETS = Choice(
    "data set", Adult, BreastCancer, GeneratedMultilabel, CSV, Parquet, NPZ, base=TableSection
)
DataConfig = Annotated[Section, DATASETS]
