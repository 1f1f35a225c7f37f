"""`data`: the data sets with a name of their own, one section each."""

from typing import Literal

from pydantic import Field

from sparse_keras.schema.section import Count, Seed
from sparse_keras.schema.tables import OfficialSplit, SeveralTargets, Tasks, TestSplit


class Adult(SeveralTargets, OfficialSplit):
    """UCI Adult: does a person earn more than 50,000 dollars (1994 census)? Official test split."""

    TARGETS = ("income", "never_married")

    type: Literal["adult"] = Field("adult", description="UCI Adult, census income.")
    tasks: Tasks = Field(
        None,
        description="What to learn: [income], [never_married] or both, for a model of several "
        "targets. With never_married, marital-status is no input, which says it, nor is "
        "relationship, which says much of it. Null: [income].",
    )


class BreastCancer(TestSplit):
    """Breast Cancer Wisconsin (Diagnostic), from scikit-learn."""

    type: Literal["breast_cancer"] = Field(
        "breast_cancer", description="Breast Cancer Wisconsin (Diagnostic)."
    )


class GeneratedMultilabel(TestSplit):
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
