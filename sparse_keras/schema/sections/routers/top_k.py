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
    # Its values are told instead, so that the same router has one config.
    preset: Literal[tuple(PRESETS)] | None = Field(
        None,
        exclude=True,
        description="A family of models whose values the keys below get, except those given here.",
    )
    k: Count = Field(2, description="Experts that see each row.")
    score: Literal[SCORES] = Field(
        "softmax",
        description="What is made of the logits: shares of all experts, each expert's own score, "
        "or nothing.",
    )
    select_on: Literal[SELECT_ON] = Field(
        "score",
        description="What the k experts are chosen by. The bias balances the experts' load and has "
        "no say in the weights.",
    )
    num_groups: Count | None = Field(
        None, description="Groups of experts, of which a row sees some. Null: no groups."
    )
    groups_kept: Count | None = Field(None, description="Groups that a row's experts are in.")
    group_score: Literal[GROUP_SCORES] = Field(
        "max",
        description="What groups are chosen by: their best expert, or the sum of their best two.",
    )
    normalize: Annotated[Literal[True, False, "softmax"] | None, ExactlyTrue, ExactlyFalse] = Field(
        None,
        description="Whether the k weights are divided by their sum. Softmax: their softmax. Null: "
        "divided if k is above 1; softmax if score is identity.",
    )
    scale: Positive = Field(1.0, description="Factor of all weights.")
    per_expert_scale: bool = Field(
        False, description="Whether each expert has a learned factor of its weights."
    )
    use_bias: bool = Field(False, description="Whether the logits have a learned bias.")
    noise: bool = Field(
        False, description="Whether logits get noise of a learned size in training."
    )
    jitter: Fraction = Field(0.0, description=JITTER)
    bias_update_rate: Positive | None = Field(
        None,
        description="How far each step moves the bias of select_on: score_plus_bias against the "
        "experts' load, which balances without a loss: beside it, balance_loss may be 0. Null: "
        "0.001.",
    )
    balance_loss: NotNegative = Field(0.01, description=BALANCE)
    z_loss: NotNegative = Field(0.0, description=Z_LOSS)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)
    load_loss: NotNegative = Field(
        0.0,
        description="Weight of the loss that is 1 when all experts have the same chances to be "
        "chosen under the noise.",
    )
    mean_entropy_loss: NotNegative = Field(0.0, description=MEAN_ENTROPY)
    token_entropy_loss: NotNegative = Field(0.0, description=TOKEN_ENTROPY)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given):
        if not isinstance(given, dict) or given.get("preset") not in PRESETS:
            return given  # An unknown one is told as such.
        values = with_preset(given["preset"], given)
        if given.get("trainable") is False:
            # They would have no effect, and nobody gave them.
            for key, value in {"use_bias": True, "select_on": "score_plus_bias"}.items():
                if key not in given and values.get(key) == value:
                    del values[key]
        return values

    def rules(self):
        unused = self.unused()
        for key, reason in conflicts(self):
            if key not in unused:
                yield key, reason

    def misfits(self, num_experts):
        yield from misfits(self, num_experts)

    def unused(self):
        found = {}
        if self.num_groups is None:
            found |= dict.fromkeys(("groups_kept", "group_score"), "num_groups is null")
        if self.select_on != "score_plus_bias":
            found["bias_update_rate"] = "select_on is not score_plus_bias"
        if not self.trainable:
            keys = ("per_expert_scale", "use_bias", "bias_update_rate")
            found |= dict.fromkeys(keys, "trainable is false")
            if self.select_on == "score_plus_bias":
                found["select_on"] = "trainable is false, so that the bias stays 0"
        return found


class CosineRouter(TopKRouter):
    """Each row goes to the k experts whose direction is nearest to its own, in few dimensions."""

    type: Literal["cosine"] = Field("cosine", description="As top_k, by cosines (X-MoE).")
    projection_dim: Count | None = Field(
        None,
        description="Dimensions in which rows and experts are compared. Null: half the number of "
        "experts, at least 2.",
    )
    initial_temperature: Annotated[float, Field(ge=0.01)] = Field(
        0.07, description="What cosines are divided by at first; it is learned."
    )
