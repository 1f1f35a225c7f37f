"""`model.router`: each row goes to the k experts that score highest."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sparse_keras._internal.token_choice import (
    GROUP_SCORES,
    PRESETS,
    SCORES,
    SELECT_ON,
    conflicts,
    misfits,
    with_preset,
)
from sparse_keras.schema.core.section import (
    BrokenRules,
    Count,
    ExactlyFalse,
    ExactlyTrue,
    Fraction,
    NotNegative,
    Positive,
)
from sparse_keras.schema.sections.routers.base import (
    BALANCE,
    IMPORTANCE,
    JITTER,
    MEAN_ENTROPY,
    TOKEN_ENTROPY,
    Z_LOSS,
    LearnedRouter,
)


class TopKRouter(LearnedRouter):
    """Each row goes to the k experts with the highest scores."""

    type: Literal["top_k"] = Field("top_k", description="The k experts with the highest scores.")
    # Excluded: the resolved config holds the preset's values, so that equal routers have one hash.
    preset: Literal[tuple(PRESETS)] | None = Field(
        None,
        exclude=True,
        description="A model family, whose values the keys below take unless they are given.",
    )
    k: Count = Field(2, description="Number of experts per row.")
    score: Literal[SCORES] = Field(
        "softmax",
        description="Function that turns logits into scores: softmax over the experts, an "
        "elementwise function, or none (identity).",
    )
    select_on: Literal[SELECT_ON] = Field(
        "score",
        description="What the k experts are chosen by. The bias of score_plus_bias "
        "balances the load; it does not change the weights.",
    )
    num_groups: Count | None = Field(
        None,
        description="Number of groups of experts, of which each row uses some. Null: no groups.",
    )
    groups_kept: Count | None = Field(
        None, description="Number of groups from which the experts of a row are chosen."
    )
    group_score: Literal[GROUP_SCORES] = Field(
        "max",
        description="What groups are chosen by: their best expert (max), or the sum of "
        "their best two.",
    )
    normalize: Annotated[Literal[True, False, "softmax"] | None, ExactlyTrue, ExactlyFalse] = Field(
        None,
        description="Whether to divide the k weights by their sum. softmax: use the "
        "softmax of the k logits. Null: true if k is above 1, softmax if score is identity.",
    )
    scale: Positive = Field(1.0, description="Factor that multiplies all weights.")
    per_expert_scale: bool = Field(
        False, description="Whether each expert has a learned factor that multiplies its weights."
    )
    use_bias: bool = Field(False, description="Whether the logits have a learned bias.")
    noise: bool = Field(
        False, description="Whether to add noise of a learned size to the logits in training."
    )
    jitter: Fraction = Field(0.0, description=JITTER)
    bias_update_rate: Positive | None = Field(
        None,
        description="How far each training step moves the bias of select_on: "
        "score_plus_bias against the load. The bias balances without a loss, so balance_loss "
        "may be 0. Null: 0.001.",
    )
    balance_loss: NotNegative = Field(0.01, description=BALANCE)
    z_loss: NotNegative = Field(0.0, description=Z_LOSS)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)
    load_loss: NotNegative = Field(
        0.0,
        description="Weight of the load loss, which is 1 if all experts are equally likely "
        "to be chosen under the noise.",
    )
    mean_entropy_loss: NotNegative = Field(0.0, description=MEAN_ENTROPY)
    token_entropy_loss: NotNegative = Field(0.0, description=TOKEN_ENTROPY)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given):
        if not isinstance(given, dict) or given.get("preset") not in PRESETS:
            return given  # Validation reports an unknown preset.
        values = with_preset(given["preset"], given)
        if given.get("trainable") is False:
            # Of the preset, not of the user, and without effect on a router that is not trained.
            for key, value in {"use_bias": True, "select_on": "score_plus_bias"}.items():
                if key not in given and values.get(key) == value:
                    del values[key]
        return values

    def rules(self) -> BrokenRules:
        unused = self.unused()
        for key, reason in conflicts(self):
            if key not in unused:
                yield key, reason

    def misfits(self, num_experts: int) -> BrokenRules:
        yield from misfits(self, num_experts)

    def unused(self) -> dict[str, str]:
        unused: dict[str, str] = {}
        if self.num_groups is None:
            unused |= dict.fromkeys(("groups_kept", "group_score"), "num_groups is null")
        if self.select_on != "score_plus_bias":
            unused["bias_update_rate"] = "select_on is not score_plus_bias"
        if not self.trainable:
            keys = ("per_expert_scale", "use_bias", "bias_update_rate")
            unused |= dict.fromkeys(keys, "trainable is false")
            if self.select_on == "score_plus_bias":
                unused["select_on"] = "trainable is false, so that the bias stays 0"
        return unused


class CosineRouter(TopKRouter):
    """Each row goes to the k experts with the most similar direction in a low-dimensional space."""

    type: Literal["cosine"] = Field(
        "cosine", description="Like top_k, by cosine similarity (X-MoE)."
    )
    projection_dim: Count | None = Field(
        None,
        description="Dimension of the space in which rows and experts are compared. Null: "
        "half the number of experts, at least 2.",
    )
    initial_temperature: Annotated[float, Field(ge=0.01)] = Field(
        0.07, description="Initial value of the learned temperature, by which cosines are divided."
    )
