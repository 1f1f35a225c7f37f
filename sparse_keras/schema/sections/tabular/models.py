"""`model`: the models of tables with one target."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from sparse_keras._internal.token_choice import EXACTLY_K
from sparse_keras.schema.core.choice import tag
from sparse_keras.schema.core.model_section import ModelSection
from sparse_keras.schema.core.section import (
    BrokenRules,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Section,
    Widths,
)
from sparse_keras.schema.sections.experts import Activation, CrossExpertsConfig, ExpertsConfig
from sparse_keras.schema.sections.mixtures import SharedExpert, conflicts_with_experts
from sparse_keras.schema.sections.routers import DenseRouter, RouterConfig, TopKRouter
from sparse_keras.schema.sections.tabular.embeddings import NumericEmbeddingConfig

if TYPE_CHECKING:
    from sparse_keras.schema.config import Config


class FeatureGate(Section):
    """A learned gate on each input feature, which selects features inside the network."""

    gate: Literal["hard_concrete", "threshold"] = Field(
        "hard_concrete",
        description="Stochastic gates that reach exactly 0 (hard_concrete), or sigmoid "
        "gates that are 0 below a threshold.",
    )
    threshold: Fraction = Field(
        0.5,
        description="A feature counts as selected if its gate is above this; sigmoid gates "
        "below it are 0.",
    )
    penalty: NotNegative = Field(0.01, description="How much each open gate adds to the loss.")


class SparseProjection(Section):
    """A dense layer on columns that are mostly zeros, computed from the non-zero values alone."""

    units: Count = Field(128, description="Width of the output.")
    activation: Activation = Field("relu", description="Activation of the output.")
    dropout: Fraction = Field(0.0, description="Fraction of the output dropped in training.")
    layer_norm: bool = Field(
        False, description="Whether to apply layer normalization to the output."
    )


class SparseInput(Section):
    """A model that accepts columns that are mostly zeros."""

    sparse_projection: SparseProjection | None = Field(
        None,
        description="The first layer on columns that are mostly zeros, where the data have "
        "such. Null: the defaults of its keys.",
    )


class TabularModelSection(ModelSection):
    """A model of a table: how the columns become the input of the network."""

    embedding_dim: Count = Field(8, description="Width of each categorical column's embedding.")
    numeric_embedding: NumericEmbeddingConfig | None = Field(
        None,
        description="An embedding of each numeric column, which replaces its value and "
        "bins. Null: value and bins are the input as they are.",
    )
    feature_gate: FeatureGate | None = Field(
        None,
        description="A learned gate on each input feature. Null: no gates, all features are used.",
    )

    def build(self, inputs: Any, task: Any) -> Any:
        self.check_inputs(inputs)
        return super().build(inputs, task)

    def check_inputs(self, inputs: Any) -> None:
        """Checks that the model accepts all columns of the data.

        Args:
            inputs: The `TableInputs` of the data.

        Raises:
            ValueError: If the data are no table, or have columns that are mostly zeros, and the
                model accepts none.
        """
        if hasattr(inputs, "vocabulary_size"):
            raise ValueError(
                f"model.type {self.type!r} is a model of tables. Received texts. Choose a model of "
                "texts, such as causal_lm."
            )
        if getattr(inputs, "sparse_dim", 0) and not isinstance(self, SparseInput):
            names = ", ".join(map(tag, SparseInput.__subclasses__()))
            raise ValueError(
                f"model.type {self.type!r} does not accept columns that are mostly zeros. "
                f"Received data with {inputs.sparse_dim:,} of them. Choose one of {names}."
            )


class BlockModelSection(TabularModelSection):
    """A stem, a stack of blocks, and one head."""

    stem: Count | None = Field(
        128, description="Width of a dense layer before the first block. Null: no such layer."
    )
    depth: Count = Field(1, description="Number of blocks.")
    dropout: Fraction = Field(
        0.0, description="Fraction of each block's output dropped in training."
    )
    residual: bool = Field(
        True,
        description="Whether each block normalises its input and adds its output to it. "
        "False: the output replaces the input.",
    )
    ensemble: Annotated[int, Field(ge=2, le=1024)] | None = Field(
        None,
        description="Number of models in an ensemble that share most weights: each has its "
        "own scalings and biases in the stem, its own head and its own loss. Null: a single "
        "model.",
    )

    def rules(self) -> BrokenRules:
        if self.ensemble is not None and self.stem is None:
            yield "ensemble", "needs a stem, in which its models start to differ"

    def rules_with(self, config: "Config") -> BrokenRules:
        if self.ensemble is None:
            return
        loss = getattr(config.training.loss, "type", None)  # A mapping is for several targets.
        if loss not in (None, "cross_entropy", "mean_squared_error"):
            yield (
                "training.loss",
                f"{loss} cannot train the models of model.ensemble separately; use cross_entropy "
                "or mean_squared_error",
            )
        if config.data is not None and config.data.has_weights:
            yield (
                "data.weight",
                "row weights are not supported with model.ensemble, whose models each "
                "have a loss of their own",
            )


class SparseMLP(SparseInput, BlockModelSection):
    """Blocks of sparse experts behind a router, on a table."""

    type: Literal["sparse_mlp"] = Field("sparse_mlp", description="Sparse experts on a table.")
    experts: ExpertsConfig = Field(
        description="What each expert computes, and the number of experts."
    )
    router: RouterConfig = Field(
        default_factory=TopKRouter, description="Which experts each row goes to."
    )
    segments: Count = Field(
        1,
        description="Number of smaller experts into which each expert, with its "
        "hidden_dim, is split. The router chooses segments * k of them: a finer choice at the "
        "same cost (DeepSeekMoE).",
    )
    share_experts: bool = Field(
        False,
        description="Whether all blocks use the same experts and the same shared expert, "
        "each block with its own router.",
    )
    shared_expert: SharedExpert | None = Field(
        None, description="An expert that every row goes through. Null: none."
    )
    capacity_factor: Positive | None = Field(
        None,
        description="Maximum number of rows per expert in training, relative to an even "
        "share; the rest are dropped. Null: no limit.",
    )
    eval_capacity_factor: Positive | None = Field(
        None, description="The same outside training. Null: no limit."
    )
    drop_order: Literal["position", "batch_priority", "score"] = Field(
        "position",
        description="Which rows an expert over its capacity drops: later choices first, "
        "then later rows (position) or rows with a low best score (batch_priority); or the "
        "rows with the lowest scores (score).",
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        yield from conflicts_with_experts(self.router, self.experts, segments=self.segments)
        if self.segments > 1:
            hidden_dim = getattr(self.experts, "hidden_dim", None)
            if hidden_dim is None:
                yield "segments", f"experts of type {self.experts.type} have no hidden_dim to split"
            elif hidden_dim % self.segments:
                yield "segments", f"does not divide experts.hidden_dim, which is {hidden_dim}"
            if self.router.type not in EXACTLY_K:
                known = ", ".join(EXACTLY_K)
                yield (
                    "segments",
                    f"needs a router with exactly k experts per row ({known}), but router is "
                    f"{self.router.type}",
                )

    def unused(self) -> dict[str, str]:
        unused = {}
        if self.capacity_factor is None and self.eval_capacity_factor is None:
            unused["drop_order"] = "no row is dropped without a capacity factor"
        if self.depth == 1:
            unused["share_experts"] = "depth is 1"
        return unused

    def dense_twin(self, width):
        twin = {"type": "dense_mlp", **self.values_for(DenseMLP), "hidden_dim": width}
        if hasattr(self.experts, "activation"):  # A plug-in's experts may have none.
            twin["activation"] = self.experts.activation
        return twin


class DenseMLP(SparseInput, BlockModelSection):
    """Blocks in which every row uses every weight: the dense baseline of `sparse_mlp`."""

    HAS_EXPERTS = False

    type: Literal["dense_mlp"] = Field("dense_mlp", description="A dense network on a table.")
    hidden_dim: Count = Field(description="Width between the two matrices of a block.")
    activation: Activation = Field("relu", description="Activation between the two matrices.")


class DCNMix(TabularModelSection):
    """DCN-V2: crosses of features, computed by mixtures of low-rank experts."""

    type: Literal["dcn_mix"] = Field("dcn_mix", description="DCN-V2 with mixtures of experts.")
    experts: CrossExpertsConfig = Field(
        description="What each expert computes, and the number of experts. DCN-V2 uses low_rank."
    )
    router: RouterConfig = Field(
        default_factory=DenseRouter,
        description="Which experts each row goes to. DCN-V2 uses dense.",
    )
    cross_layers: Count = Field(2, description="Number of cross layers.")
    hidden_dims: Widths = Field((128, 64), description="Width of each dense layer; may be empty.")
    structure: Literal["stacked", "parallel"] = Field(
        "stacked",
        description="Whether the dense layers follow the cross layers (stacked) or run "
        "beside them (parallel).",
    )
    dropout: Fraction = Field(
        0.0, description="Fraction of each dense layer's output dropped in training."
    )
    capacity_factor: Positive | None = Field(
        None,
        description="Maximum number of rows per expert in training, relative to an even "
        "share; the rest are dropped. Null: no limit.",
    )
    eval_capacity_factor: Positive | None = Field(
        None, description="The same outside training. Null: no limit."
    )

    def rules(self) -> BrokenRules:
        yield from conflicts_with_experts(self.router, self.experts)

    def unused(self) -> dict[str, str]:
        if self.hidden_dims:
            return {}
        return {key: "hidden_dims is empty" for key in ("structure", "dropout")}

    def dense_twin(self, width):
        # The experts' activation bounds a product. It is not one of a hidden layer.
        return {"type": "dense_mlp", **self.values_for(DenseMLP), "hidden_dim": width}
