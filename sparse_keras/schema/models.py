"""`model`: the architecture. Keys are the arguments of a function in `sparse_keras.models`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sparse_keras.schema.choice import Choice
from sparse_keras.schema.embeddings import NumericEmbeddingConfig
from sparse_keras.schema.experts import Activation, ExpertsConfig
from sparse_keras.schema.routers import RouterConfig, TopKRouter
from sparse_keras.schema.section import (
    Count,
    Fraction,
    NotNegative,
    Positive,
    Section,
)

# YAML's lists, as values that never change.
Widths = Annotated[
    tuple[Count, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


class SharedExpert(Section):
    """An expert that sees every row, beside those the router chooses."""

    hidden_dim: Count = Field(description="Width between its two matrices.")
    activation: Activation = Field("relu", description="Activation between its two matrices.")


class FeatureGate(Section):
    """A learned gate on each input feature: sparse selection of features inside the network."""

    gate: Literal["hard_concrete", "threshold"] = Field(
        "hard_concrete",
        description="Stochastic gates that reach exactly 0 (hard_concrete), or sigmoid gates cut "
        "at a threshold.",
    )
    threshold: Fraction = Field(
        0.5,
        description="A feature whose gate is above this counts as selected; sigmoid gates below it "
        "are 0.",
    )
    penalty: NotNegative = Field(0.01, description="What one open gate adds to the loss.")


class SparseProjection(Section):
    """The layer from columns that are mostly zeros to a dense vector, by the non-zeros alone."""

    units: Count = Field(128, description="Width of the dense vector.")
    activation: Activation = Field("relu", description="Activation of the dense vector.")
    dropout: Fraction = Field(0.0, description="Part of the dense vector dropped in training.")
    layer_norm: bool = Field(False, description="Whether each row's dense vector is normalised.")


class SparseInput(Section):
    """What models have that take columns that are mostly zeros."""

    sparse_projection: SparseProjection | None = Field(
        None,
        description="How columns that are mostly zeros become dense, where the data have such. "
        "Null: by the defaults of its keys.",
    )


class _TabularModel(Section):
    """What the models of tables share: how the columns become the input of the network."""

    embedding_dim: Count = Field(8, description="Width of each categorical column's embedding.")
    numeric_embedding: NumericEmbeddingConfig | None = Field(
        None,
        description="An embedding of each numeric column, in place of its value and bins. Null: "
        "they are used as they are.",
    )
    feature_gate: FeatureGate | None = Field(
        None, description="A learned gate on each input feature. Null: all features are used."
    )


class _BlockModel(_TabularModel):
    """A stem, a stack of blocks, and one head."""

    stem: Count | None = Field(
        128, description="Width of a dense layer before the first block. Null: no such layer."
    )
    depth: Count = Field(1, description="Number of blocks.")
    dropout: Fraction = Field(0.0, description="Part of each block's output dropped in training.")
    residual: bool = Field(
        True,
        description="Whether a block normalises its input and adds its output to it; otherwise its "
        "output replaces the input.",
    )


class Tower(Section):
    """The dense layers of one task alone, between what tasks share and the task's head."""

    hidden_dims: Widths = Field((32,), description="Width of each layer; may be empty.")
    activation: Activation = Field("relu", description="Activation of each layer.")
    dropout: Fraction = Field(0.0, description="Part of each layer's output dropped in training.")

    def unused(self):
        if self.hidden_dims:
            return {}
        return {key: "hidden_dims is empty" for key in ("activation", "dropout")}


class _MultiTaskModel(_TabularModel):
    """Several targets: what the tasks share, then a tower and a head for each."""

    stem: Count | None = Field(
        None,
        description="Width of a first dense layer that all tasks share. Null: none.",
    )
    dropout: Fraction = Field(
        0.0, description="Part of what the tasks' towers get that is dropped in training."
    )
    tower: Tower = Field(
        default_factory=Tower, description="The dense layers of each task before its head."
    )


class SparseMLP(SparseInput, _BlockModel):
    """Blocks of sparse experts behind a router, on a table."""

    type: Literal["sparse_mlp"] = Field("sparse_mlp", description="Sparse experts on a table.")
    experts: ExpertsConfig = Field(description="What each expert computes, and how many there are.")
    router: RouterConfig = Field(default_factory=TopKRouter, description="Which experts see a row.")
    shared_expert: SharedExpert | None = Field(
        None, description="An expert that sees every row. Null: none."
    )
    capacity_factor: Positive | None = Field(
        None,
        description="Rows an expert takes in training, relative to an even share; the rest are "
        "dropped. Null: all are taken.",
    )
    eval_capacity_factor: Positive | None = Field(
        None, description="The same outside training. Null: no row is dropped."
    )

    def rules(self):
        num_experts = self.experts.num_experts
        for key in ("k", "max_experts"):
            count = getattr(self.router, key, None)
            if count is not None and count > num_experts:
                yield (
                    f"router.{key}",
                    f"{count} is more than model.experts.num_experts, which is {num_experts}",
                )


class DenseMLP(SparseInput, _BlockModel):
    """Blocks in which every row uses every weight: what `sparse_mlp` is measured against."""

    type: Literal["dense_mlp"] = Field("dense_mlp", description="A dense network on a table.")
    hidden_dim: Count = Field(description="Width between the two matrices of a block.")
    activation: Activation = Field("relu", description="Activation between the two matrices.")


class _MultiTaskModel(_TabularModel):
    """What all models of several targets have."""


MODELS = Choice("model", SparseMLP, DenseMLP)
ModelConfig = Annotated[Section, MODELS]
