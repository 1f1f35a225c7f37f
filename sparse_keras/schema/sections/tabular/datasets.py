"""`data`: the data sets with a name of their own, one section each."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.section import Count, Seed
from sparse_keras.schema.sections.tabular.table import (
    OfficialSplit,
    SeveralTargets,
    Tasks,
    TestSplit,
)


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


class CensusIncome(SeveralTargets, OfficialSplit):
    """Census-Income (KDD), 1994 and 1995: what does a person earn, and did they never marry?
    Official test split. Neither the marital status nor the instance weight is an input."""

    TARGETS = ("income", "never_married")
    DEFAULT_TASKS = TARGETS

    type: Literal["census_income"] = Field(
        "census_income", description="Census-Income (KDD), of two targets."
    )
    tasks: Tasks = Field(
        None,
        description="What to learn: [income], above 50,000 dollars a year, [never_married], or "
        "both, for a model of several targets. Null: both.",
    )


class CreditDefault(TestSplit):
    """Credit card clients in Taiwan: who does not pay next month?"""

    type: Literal["credit_default"] = Field(
        "credit_default", description="Default of credit card clients."
    )


class Diamonds(TestSplit):
    """Diamonds: what do they cost?"""

    type: Literal["diamonds"] = Field("diamonds", description="Prices of diamonds.")


class Letter(OfficialSplit):
    """Statlog Letter: which of 26 capital letters is it? Official test split."""

    type: Literal["letter"] = Field("letter", description="Statlog Letter, 26 classes.")


class Satellite(OfficialSplit):
    """Statlog Satellite: what grows where a pixel was taken? Official test split."""

    type: Literal["satellite"] = Field("satellite", description="Statlog Satellite, 6 classes.")


class Shuttle(OfficialSplit):
    """Statlog Shuttle: which state are its radiators in? Some are rare. Official test split."""

    type: Literal["shuttle"] = Field("shuttle", description="Statlog Shuttle, 7 classes.")


class Support2(TestSplit):
    """SUPPORT2: which seriously ill people die within some days? Without what tells the outcome."""

    type: Literal["support2"] = Field("support2", description="SUPPORT2, survival of the ill.")
    days: Annotated[int, Field(ge=1, le=180)] = Field(
        180, description="Days within which a death counts."
    )


class Vehicle(TestSplit):
    """Statlog Vehicle: a bus, a van, an Opel or a Saab, by its silhouette?"""

    type: Literal["vehicle"] = Field("vehicle", description="Statlog Vehicle, 4 classes.")


class Yeast(TestSplit):
    """Yeast: which of 14 functional groups does a gene belong to, several at once?"""

    type: Literal["yeast"] = Field("yeast", description="Groups of yeast genes, 14 labels.")


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
