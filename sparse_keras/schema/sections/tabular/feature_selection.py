"""`data.features`: which columns of a table are used. Keys are arguments of `feature_selection`."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import (
    BetweenZeroAndOne,
    Count,
    Fraction,
    Positive,
    Section,
)

Correlation = Literal["spearman", "pearson"]
Threshold = Annotated[float, Field(ge=0, le=1)]


class _Selection(Section):
    max_rows: Count | None = Field(
        20000, description="Most training rows to look at, drawn with split_seed. Null: all."
    )


class _Counted(_Selection):
    count: Count | BetweenZeroAndOne = Field(
        0.5, description="Number of columns to keep, or the fraction of them."
    )


class Univariate(_Counted):
    """Columns that differ most between the classes, each looked at alone."""

    type: Literal["univariate"] = Field("univariate", description="Each column alone.")
    test: Literal["auto", "t_test", "anova"] = Field(
        "auto",
        description="Welch's t-test for two classes, or an analysis of variance; auto: t_test for "
        "two classes, anova for more, the correlation for numbers.",
    )


class L1(_Counted):
    """Columns in the order in which an L1-penalised logistic regression (or Lasso) takes them."""

    type: Literal["l1"] = Field("l1", description="L1-penalised logistic regression, or Lasso.")
    num_penalties: Annotated[int, Field(ge=2, le=1000)] = Field(
        30, description="Steps from the strongest penalty to the weakest."
    )


class _Correlated(_Counted):
    correlation: Correlation = Field(
        "spearman", description="How columns are compared: of their ranks, or of their values."
    )


class _Graph(_Correlated):
    threshold: Threshold = Field(0.3, description="Least correlation that joins two columns.")
    n_neighbors: Count | None = Field(
        None, description="Join a column only to so many most correlated ones. Null: to all."
    )


class PageRank(_Graph):
    """Columns where a walk along correlations ends up, which restarts at relevant columns."""

    type: Literal["pagerank"] = Field("pagerank", description="PageRank on correlations.")
    damping: Fraction = Field(
        0.85, description="Probability of following a correlation instead of starting again."
    )


class Betweenness(_Graph):
    """Columns that connect others in the graph of correlations, and relevant ones."""

    type: Literal["betweenness"] = Field("betweenness", description="Betweenness and relevance.")
    relevance: Threshold = Field(0.5, description="Weight of the relevance; the rest is position.")
    num_pivots: Count | None = Field(
        200, description="Paths start at so many columns, for speed. Null: at all."
    )


class KMeans(_Correlated):
    """The most relevant column of each K-means cluster of columns."""

    type: Literal["k_means"] = Field("k_means", description="One column of each K-means cluster.")
    n_clusters: Count | None = Field(
        None, description="Number of clusters, if more than columns to keep. Null: as many."
    )


class DBSCAN(_Correlated):
    """The most relevant column of each cluster of correlated columns."""

    type: Literal["dbscan"] = Field("dbscan", description="One column of each DBSCAN cluster.")
    count: Count | BetweenZeroAndOne | None = Field(
        None, description="Number of columns to keep, or the fraction. Null: one of each cluster."
    )
    eps: Annotated[float, Field(gt=0, le=1)] = Field(
        0.3, description="Largest distance, 1 - |correlation|, between neighbours."
    )
    min_samples: Count = Field(2, description="Columns that make the core of a cluster.")


Method = Literal["univariate", "l1", "pagerank", "betweenness", "k_means", "dbscan"]


class Auto(_Selection):
    """The method and the number of columns that cross-validation finds, within a time budget."""

    type: Literal["auto"] = Field("auto", description="What cross-validation finds.")
    seconds: Positive = Field(
        60.0,
        description="Time budget of the search. Where it is used up, the choice depends on the "
        "speed of the machine.",
    )
    methods: Annotated[tuple[Method, ...], Field(strict=False, min_length=1)] | None = Field(
        None, description="The methods to try. Null: all that take the data."
    )
    estimator: Literal["linear", "boosting"] = Field(
        "linear", description="The quick model whose score counts."
    )
    cv: Annotated[int, Field(ge=2, le=100)] = Field(3, description="Number of folds.")
    rule: Literal["one_standard_error", "best"] = Field(
        "one_standard_error",
        description="The fewest columns within one standard error of the best score, or the best.",
    )


SELECTIONS = Choice(
    "feature selection", Univariate, L1, PageRank, Betweenness, KMeans, DBSCAN, Auto
)
SelectionConfig = Annotated[Section, SELECTIONS]
