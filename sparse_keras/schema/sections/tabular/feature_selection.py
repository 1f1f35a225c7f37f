"""`data.features`: which columns to use. Keys are arguments in `sparse_keras.feature_selection`."""

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
        20000,
        description="Maximum number of training rows to look at, drawn with split_seed. Null: all.",
    )


class _Counted(_Selection):
    count: Count | BetweenZeroAndOne = Field(
        0.5, description="Number of columns to keep, or the fraction of them."
    )


class Univariate(_Counted):
    """Columns that differ most between the classes, each tested alone."""

    type: Literal["univariate"] = Field("univariate", description="Tests of each column alone.")
    test: Literal["auto", "t_test", "anova"] = Field(
        "auto",
        description="Welch's t-test for two classes, or an analysis of variance. auto: "
        "t_test for two classes, anova for more, and the correlation for a numeric target.",
    )


class L1(_Counted):
    """Columns in the order in which they enter an L1-penalised logistic regression (or Lasso)."""

    type: Literal["l1"] = Field("l1", description="L1-penalised logistic regression, or Lasso.")
    num_penalties: Annotated[int, Field(ge=2, le=1000)] = Field(
        30, description="Number of penalties to try, from the strongest to the weakest."
    )


class _Correlated(_Counted):
    correlation: Correlation = Field(
        "spearman",
        description="Correlation of the ranks (spearman) or of the values (pearson).",
    )


class _Graph(_Correlated):
    threshold: Threshold = Field(
        0.3, description="Minimum absolute correlation that connects two columns."
    )
    n_neighbors: Count | None = Field(
        None,
        description="Connect a column only to this many of its most correlated columns. "
        "Null: to all.",
    )


class PageRank(_Graph):
    """Columns that are central in the graph of correlations (personalised PageRank)."""

    type: Literal["pagerank"] = Field(
        "pagerank", description="PageRank on the graph of correlations."
    )
    damping: Fraction = Field(
        0.85,
        description="Probability of following a correlation rather than restarting at a "
        "relevant column.",
    )


class Betweenness(_Graph):
    """Columns that are relevant, or lie between others in the graph of correlations."""

    type: Literal["betweenness"] = Field(
        "betweenness", description="Betweenness centrality and relevance."
    )
    relevance: Threshold = Field(
        0.5, description="Weight of the relevance, from 0 to 1; betweenness has the rest."
    )
    num_pivots: Count | None = Field(
        200,
        description="Number of columns at which shortest paths start; fewer are faster. Null: all.",
    )


class KMeans(_Correlated):
    """The most relevant column of each K-means cluster of columns."""

    type: Literal["k_means"] = Field("k_means", description="One column of each K-means cluster.")
    n_clusters: Count | None = Field(
        None,
        description="Number of clusters, if more than the number of columns to keep. Null: "
        "that number.",
    )


class DBSCAN(_Correlated):
    """The most relevant column of each cluster of correlated columns."""

    type: Literal["dbscan"] = Field("dbscan", description="One column of each DBSCAN cluster.")
    count: Count | BetweenZeroAndOne | None = Field(
        None,
        description="Number of columns to keep, or a fraction of them. Null: one of each cluster.",
    )
    eps: Annotated[float, Field(gt=0, le=1)] = Field(
        0.3, description="Maximum distance, 1 - |correlation|, between neighbours."
    )
    min_samples: Count = Field(
        2,
        description="Number of columns within eps, itself included, that makes a column "
        "the core of a cluster.",
    )


Method = Literal["univariate", "l1", "pagerank", "betweenness", "k_means", "dbscan"]


class Auto(_Selection):
    """The method and the number of columns that score best in cross-validation, in limited time."""

    type: Literal["auto"] = Field(
        "auto", description="The best of these methods in cross-validation."
    )
    seconds: Positive = Field(
        60.0,
        description="Time budget of the search, in seconds. If it runs out, the result "
        "depends on the speed of the machine.",
    )
    methods: Annotated[tuple[Method, ...], Field(strict=False, min_length=1)] | None = Field(
        None, description="The methods to try. Null: all that accept the data."
    )
    estimator: Literal["linear", "boosting"] = Field(
        "linear", description="The fast model that scores each choice of columns."
    )
    cv: Annotated[int, Field(ge=2, le=100)] = Field(
        3, description="Number of folds of the cross-validation."
    )
    rule: Literal["one_standard_error", "best"] = Field(
        "one_standard_error",
        description="Choose the fewest columns within one standard error of the best "
        "score, or the best score.",
    )


SELECTIONS = Choice(
    "feature selection", Univariate, L1, PageRank, Betweenness, KMeans, DBSCAN, Auto
)
SelectionConfig = Annotated[Section, SELECTIONS]
