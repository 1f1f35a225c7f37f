"""`data`: the tables that are known by name, one section each."""

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
        description="The targets to learn: [income], [never_married], or both for a "
        "multi-task model. With never_married, the columns marital-status and relationship are "
        "not inputs, because they give it away. Null: [income].",
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
        "census_income", description="Census-Income (KDD), two targets."
    )
    tasks: Tasks = Field(
        None,
        description="The targets to learn: [income] (above 50,000 dollars a year), "
        "[never_married], or both for a multi-task model. Null: both.",
    )


class CreditDefault(TestSplit):
    """Credit card clients in Taiwan: who defaults on next month's payment?"""

    type: Literal["credit_default"] = Field(
        "credit_default", description="Default of credit card clients."
    )


class Diamonds(TestSplit):
    """Diamonds: what does a diamond cost?"""

    type: Literal["diamonds"] = Field("diamonds", description="Prices of diamonds.")


class Letter(OfficialSplit):
    """Statlog Letter: which of 26 capital letters is it? Official test split."""

    type: Literal["letter"] = Field("letter", description="Statlog Letter, 26 classes.")


class Satellite(OfficialSplit):
    """Statlog Satellite: which kind of soil or crop does a pixel show? Official test split."""

    type: Literal["satellite"] = Field("satellite", description="Statlog Satellite, 6 classes.")


class Shuttle(OfficialSplit):
    """Statlog Shuttle: which of 7 states, some of them rare, is it in? Official test split."""

    type: Literal["shuttle"] = Field("shuttle", description="Statlog Shuttle, 7 classes.")


class Support2(TestSplit):
    """SUPPORT2: does a seriously ill patient die within some days? No column reveals it."""

    type: Literal["support2"] = Field(
        "support2", description="SUPPORT2, survival of seriously ill patients."
    )
    days: Annotated[int, Field(ge=1, le=180)] = Field(
        180, description="Number of days within which a death counts."
    )


class Vehicle(TestSplit):
    """Statlog Vehicle: does a silhouette show a bus, a van, an Opel or a Saab?"""

    type: Literal["vehicle"] = Field("vehicle", description="Statlog Vehicle, 4 classes.")


class Yeast(TestSplit):
    """Yeast: to which of 14 functional groups does a gene belong? It may belong to several."""

    type: Literal["yeast"] = Field(
        "yeast", description="Functional groups of yeast genes, 14 labels."
    )


class GeneratedMultilabel(TestSplit):
    """Generated rows with several labels each; the rules behind them differ between regions."""

    type: Literal["generated_multilabel"] = Field(
        "generated_multilabel", description="Generated rows with several labels each."
    )
    num_samples: Count = Field(5000, description="Number of rows.")
    num_features: Count = Field(100, description="Number of numeric columns.")
    num_labels: Count = Field(64, description="Number of labels, each true or false.")
    seed: Seed = Field(0, description="Seed of the generator.")
    bins: Literal["tree", "quantile", "none"] = Field(
        "none",
        description="How the columns are cut into bins: at the splits of a decision tree "
        "of the target (tree), at quantiles, or not at all (none).",
    )
