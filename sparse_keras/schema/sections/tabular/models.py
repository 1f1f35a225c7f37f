"""`model`: the models of tables with one target."""

from typing import Annotated, Any, Literal

from pydantic import Field

from sparse_keras._internal.token_choice import EXACTLY_K
from sparse_keras.schema.core.choice import tag
from sparse_keras.schema.core.model_section import ModelSection
from sparse_keras.schema.core.section import Count, Fraction, NotNegative, Positive, Section, Widths
from sparse_keras.schema.sections.experts import Activation, CrossExpertsConfig, ExpertsConfig
from sparse_keras.schema.sections.mixtures import SharedExpert, conflicts_with_experts
from sparse_keras.schema.sections.routers import DenseRouter, RouterConfig, TopKRouter
from sparse_keras.schema.sections.tabular.embeddings import NumericEmbeddingConfig


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


class TabularModelSection(ModelSection):
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

    def build(self, inputs, task):
        self.check_inputs(inputs)
        return super().build(inputs, task)

    def check_inputs(self, inputs: Any) -> None:
        """Raises a ValueError if the data have columns that the model does not take.

        Args:
            inputs: The `TableInputs` of the data.
        """
        if getattr(inputs, "sparse_dim", 0) and not isinstance(self, SparseInput):
            names = ", ".join(map(tag, SparseInput.__subclasses__()))
            raise ValueError(
                f"model.type {self.type!r} takes no columns that are mostly zeros, of which the "
                f"data have {inputs.sparse_dim:,}. Choose one of {names}."
            )


class BlockModelSection(TabularModelSection):
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
    ensemble: Annotated[int, Field(ge=2, le=1024)] | None = Field(
        None,
        description="Members of an ensemble that share all weights but scalings and biases in the "
        "stem, and heads; each is trained by itself. Null: one network.",
    )

    def rules(self):
        if self.ensemble is not None and self.stem is None:
            yield "ensemble", "needs a stem, in which its members part"

    def rules_with(self, config):
        if self.ensemble is None:
            return
        loss = getattr(config.training.loss, "type", None)  # A mapping is for several targets.
        if loss not in (None, "cross_entropy", "mean_squared_error"):
            yield (
                "training.loss",
                f"{loss} cannot train each member of model.ensemble by itself; cross_entropy "
                "and mean_squared_error can",
            )
        if config.data is not None and config.data.has_weights:
            yield (
                "data.weight",
                "weights of rows do not reach the loss of each member of model.ensemble",
            )


class SparseMLP(SparseInput, BlockModelSection):
    """Blocks of sparse experts behind a router, on a table."""

    type: Literal["sparse_mlp"] = Field("sparse_mlp", description="Sparse experts on a table.")
    experts: ExpertsConfig = Field(description="What each expert computes, and how many there are.")
    router: RouterConfig = Field(default_factory=TopKRouter, description="Which experts see a row.")
    segments: Count = Field(
        1,
        description="Into how many each expert is split, hidden_dim with it; the router chooses as "
        "many times k of them, a finer choice of as many weights (DeepSeekMoE).",
    )
    share_experts: bool = Field(
        False,
        description="Whether all blocks have the same experts, and the same shared expert, each "
        "with a router of its own.",
    )
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
    drop_order: Literal["position", "batch_priority", "score"] = Field(
        "position",
        description="Which rows an expert drops: later choices, then later rows (position) or rows "
        "whose best score is low (batch_priority); or those of the lowest scores (score).",
    )

    def rules(self):
        yield from super().rules()
        yield from conflicts_with_experts(self.router, self.experts, segments=self.segments)
        if self.segments > 1:
            hidden_dim = getattr(self.experts, "hidden_dim", None)
            if hidden_dim is None:
                yield "segments", f"experts of the type {self.experts.type} have no hidden_dim"
            elif hidden_dim % self.segments:
                yield "segments", f"does not divide experts.hidden_dim, which is {hidden_dim}"
            if self.router.type not in EXACTLY_K:
                known = ", ".join(EXACTLY_K)
                yield "segments", f"multiplies the k of {known}, and router is {self.router.type}"

    def unused(self):
        found = {}
        if self.capacity_factor is None and self.eval_capacity_factor is None:
            found["drop_order"] = "no row is dropped without a capacity factor"
        if self.depth == 1:
            found["share_experts"] = "depth is 1"
        return found


class DenseMLP(SparseInput, BlockModelSection):
    """Blocks in which every row uses every weight: what `sparse_mlp` is measured against."""

    HAS_EXPERTS = False

    type: Literal["dense_mlp"] = Field("dense_mlp", description="A dense network on a table.")
    hidden_dim: Count = Field(description="Width between the two matrices of a block.")
    activation: Activation = Field("relu", description="Activation between the two matrices.")


class DCNMix(TabularModelSection):
    """DCN-V2: features multiplied with each other, by mixtures of low-rank experts."""

    type: Literal["dcn_mix"] = Field("dcn_mix", description="DCN-V2 with mixtures of experts.")
    experts: CrossExpertsConfig = Field(
        description="What each expert computes, and how many there are. DCN-V2's are low_rank."
    )
    router: RouterConfig = Field(
        default_factory=DenseRouter, description="Which experts see a row. DCN-V2's is dense."
    )
    cross_layers: Count = Field(2, description="Number of cross layers.")
    hidden_dims: Widths = Field(
        (128, 64), description="Width of each dense layer beside the cross layers; may be empty."
    )
    structure: Literal["stacked", "parallel"] = Field(
        "stacked", description="Whether the dense layers are after the cross layers or beside them."
    )
    dropout: Fraction = Field(
        0.0, description="Part of each dense layer's output dropped in training."
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
        yield from conflicts_with_experts(self.router, self.experts)

    def unused(self):
        if self.hidden_dims:
            return {}
        return {key: "hidden_dims is empty" for key in ("structure", "dropout")}
