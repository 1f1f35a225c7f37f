"""`data`: the table to learn from, how it is split and how its numeric columns are encoded."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo

from sparse_keras.schema.section import BetweenZeroAndOne, Count, Fraction, Section, Seed


def _absolute(path, info: ValidationInfo):
    folder = (info.context or {}).get("folder", "")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


Text = Annotated[str, StringConstraints(min_length=1)]
Path = Annotated[Text, AfterValidator(_absolute)]


class _Data(Section):
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


class Adult(_Data):
    """UCI Adult: does a person earn more than 50,000 dollars (1994 census)? Official test split."""

    type: Literal["adult"] = Field("adult", description="UCI Adult, census income.")

    def unused(self):
        unused = super().unused()
        if self.validation_fraction == 0:
            unused["split_seed"] = "validation_fraction is 0 and the test split is the official one"
        return unused


class _TestSplit(_Data):
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


class CSV(_TestSplit):
    """A CSV file of your own."""

    type: Literal["csv"] = Field("csv", description="A CSV file of your own.")
    path: Path = Field(
        description="The file. A relative path starts at the folder of the YAML file that names it."
    )
    target: Text = Field(description="The column to predict.")
    task: Literal["auto", "binary", "multiclass", "regression"] = Field(
        "auto", description="What kind of target it is; auto looks at its values."
    )
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(
        ",", description="The character between columns."
    )


DataConfig = Annotated[
    Adult | BreastCancer | GeneratedMultilabel | CSV, Field(discriminator="type")
]
