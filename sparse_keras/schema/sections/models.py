"""`model`: the architecture. Keys are the arguments of a function in `sparse_keras.models`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sparse_keras._internal.token_choice import EXACTLY_K
from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import (
    Count,
    Fraction,
    NotNegative,
    Positive,
    Section,
)
from sparse_keras.schema.sections.experts import Activation, CrossExpertsConfig, ExpertsConfig
from sparse_keras.schema.sections.routers import DenseRouter, RouterConfig, TopKRouter
from sparse_keras.schema.sections.tabular.embeddings import NumericEmbeddingConfig

# YAML's lists, as values that never change.
Widths = Annotated[
    tuple[Count, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


class SharedExpert(Section):
    """An expert that sees every row, beside those the router chooses."""

    hidden_dim: Count = Field(description="Width between its two matrices.")
    activation: Activation = Field("relu", description="Activation between its two matrices.")
    gated: bool = Field(
        False,
        description="Whether a learned sigmoid gate decides how much of its output each row gets, "
        "as in Qwen2-MoE. With share_experts, all blocks have the same gate.",
    )


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
    ensemble: Annotated[int, Field(ge=2, le=1024)] | None = Field(
        None,
        description="Members of an ensemble that share all weights but scalings and biases in the "
        "stem, and heads; each is trained by itself. Null: one network.",
    )

    def rules(self):
        if self.ensemble is not None and self.stem is None:
            yield "ensemble", "needs a stem, in which its members part"


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
        yield from _too_many_for(self.router, self.experts, segments=self.segments)
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


class DenseMLP(SparseInput, _BlockModel):
    """Blocks in which every row uses every weight: what `sparse_mlp` is measured against."""

    type: Literal["dense_mlp"] = Field("dense_mlp", description="A dense network on a table.")
    hidden_dim: Count = Field(description="Width between the two matrices of a block.")
    activation: Activation = Field("relu", description="Activation between the two matrices.")


class SharedBottom(_MultiTaskModel):
    """One dense network that all tasks share: what multi-task experts are measured against."""

    type: Literal["shared_bottom"] = Field(
        "shared_bottom", description="One dense network for all tasks."
    )
    hidden_dims: Annotated[Widths, Field(min_length=1)] = Field(
        description="Width of each dense layer that all tasks share."
    )
    activation: Activation = Field("relu", description="Activation of each of these layers.")


class _OneBank(_MultiTaskModel):
    experts: ExpertsConfig = Field(description="What each expert computes, and how many there are.")

    def rules(self):
        yield from _too_many_for(self.router, self.experts)


class OMoE(_OneBank):
    """Experts behind one gate, all shared by the tasks: the baseline of MMoE."""

    type: Literal["omoe"] = Field("omoe", description="Experts behind one gate for all tasks.")
    router: RouterConfig = Field(
        default_factory=DenseRouter, description="The gate: which experts see a row."
    )


class MMoE(_OneBank):
    """Experts that all tasks share, and a gate for each task."""

    type: Literal["mmoe"] = Field("mmoe", description="Shared experts, a gate for each task.")
    router: RouterConfig = Field(
        default_factory=DenseRouter,
        description="Each task's gate: which experts it mixes for a row.",
    )


class _TwoBanks(_MultiTaskModel):
    shared_experts: ExpertsConfig = Field(description="The experts that all tasks see.")
    task_experts: ExpertsConfig = Field(
        description="The experts of each task, which no other task sees."
    )

    def rules(self):
        yield from _too_many_for(self.router, self.shared_experts, self.task_experts)
        widths = [getattr(bank, "units", None) for bank in (self.shared_experts, self.task_experts)]
        if None not in widths and widths[0] != widths[1]:
            yield (
                "task_experts.units",
                f"{widths[1]} differs from model.shared_experts.units, which is {widths[0]}: a "
                "gate adds up the outputs of both",
            )


class CGC(_TwoBanks):
    """Experts that all tasks share, experts of each task alone, and a gate for each task."""

    type: Literal["cgc"] = Field("cgc", description="Shared and task-specific experts.")
    router: RouterConfig = Field(
        default_factory=DenseRouter,
        description="Each task's gate: which of the shared experts and its own it mixes for a row.",
    )


class PLE(_TwoBanks):
    """Levels of shared and of task-specific experts, which gates mix for each task."""

    type: Literal["ple"] = Field("ple", description="Levels of shared and task-specific experts.")
    levels: Count = Field(2, description="Number of levels. 1 is cgc.")
    router: RouterConfig = Field(
        default_factory=DenseRouter,
        description="Each task's gate: which of the shared experts and its own it mixes for a row.",
    )


def _too_many_for(router, *banks, segments=1):
    """The rules that a router chooses among the experts that it sees.

    Where experts are split into segments, numbers in the config are those before the split.
    """
    num_experts = sum(bank.num_experts for bank in banks)
    names = ["experts"] if len(banks) == 1 else ["shared_experts", "task_experts"]
    which = " + ".join(f"model.{name}.num_experts" for name in names)
    for key in ("k", "max_experts", "capacity_factor"):
        count = getattr(router, key, None)
        if count is not None and count > num_experts:
            yield f"router.{key}", f"{count} is more than {which}, which is {num_experts}"
    if hasattr(router, "misfits"):  # A plug-in's need not have it.
        split = segments > 1 and router.type in EXACTLY_K
        after = router.model_copy(update={"k": segments * router.k}) if split else router
        for key, reason in after.misfits(segments * num_experts):
            yield f"router.{key}", reason + " (after the split into segments)" * split


class DCNMix(_TabularModel):
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
        yield from _too_many_for(self.router, self.experts)

    def unused(self):
        if self.hidden_dims:
            return {}
        return {key: "hidden_dims is empty" for key in ("structure", "dropout")}


MODELS = Choice("model", SparseMLP, DenseMLP, DCNMix, SharedBottom, OMoE, MMoE, CGC, PLE)
ModelConfig = Annotated[Section, MODELS]
