"""`model.router`: which experts see a row, and the losses that keep the experts in balance."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sparse_keras._internal.token_choice import (
    GROUP_SCORES,
    PRESETS,
    SCORES,
    SELECT_ON,
    conflicts,
    hierarchy_conflicts,
    hierarchy_misfits,
    misfits,
    with_preset,
)
from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import (
    Count,
    CountOrZero,
    ExactlyFalse,
    ExactlyTrue,
    Fraction,
    NotNegative,
    Positive,
    Section,
)

_BALANCE = "Weight of the loss that is 1 when all experts get the same share and grows beyond."
_Z = "Weight of the loss that keeps the router's logits small."
_IMPORTANCE = "Weight of the loss that is 1 when all experts have the same sum of weights."
_MEAN_ENTROPY = (
    "Weight of the loss that is 1 when the mean distribution over experts is uniform, and grows as "
    "its entropy falls."
)
_TOKEN_ENTROPY = (
    "Weight of the mean entropy of a row's scores, from 0 for a certain choice to 1. Alone it "
    "drives all rows to one expert."
)
_JITTER = "Half width of the factor around 1 that noises the router's input in training."


class _LearnedRouter(Section):
    trainable: bool = Field(
        True,
        description="Whether the router learns. False: it stays as drawn at random, to see what "
        "learning to route is worth.",
    )


class TopKRouter(_LearnedRouter):
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
    jitter: Fraction = Field(0.0, description=_JITTER)
    bias_update_rate: Positive | None = Field(
        None,
        description="How far each step moves the bias of select_on: score_plus_bias against the "
        "experts' load, which balances without a loss: beside it, balance_loss may be 0. Null: "
        "0.001.",
    )
    balance_loss: NotNegative = Field(0.01, description=_BALANCE)
    z_loss: NotNegative = Field(0.0, description=_Z)
    importance_loss: NotNegative = Field(0.0, description=_IMPORTANCE)
    load_loss: NotNegative = Field(
        0.0,
        description="Weight of the loss that is 1 when all experts have the same chances to be "
        "chosen under the noise.",
    )
    mean_entropy_loss: NotNegative = Field(0.0, description=_MEAN_ENTROPY)
    token_entropy_loss: NotNegative = Field(0.0, description=_TOKEN_ENTROPY)

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


class ThresholdRouter(_LearnedRouter):
    """Each row goes to every expert whose sigmoid gate is above a threshold."""

    type: Literal["threshold"] = Field("threshold", description="Every gate above a threshold.")
    threshold: Fraction = Field(0.5, description="A sigmoid gate is open above this.")
    max_experts: Count | None = Field(
        None, description="Most experts that see a row, the highest gates first. Null: no limit."
    )
    normalize: bool = Field(
        False, description="Whether the weights of the open gates are divided by their sum."
    )
    balance_loss: NotNegative = Field(0.01, description=_BALANCE)
    importance_loss: NotNegative = Field(0.0, description=_IMPORTANCE)

    def rules(self):
        if self.normalize and self.max_experts == 1:
            yield (
                "normalize",
                "true with max_experts: 1 makes every weight 1, so the router gets no gradient",
            )


class ReLURouter(_LearnedRouter):
    """Each row goes to every expert whose ReLU gate is open; a penalty holds their average at k."""

    type: Literal["relu"] = Field("relu", description="Every ReLU gate above 0 (ReMoE).")
    k: Count = Field(2, description="Average number of open experts to hold.")
    max_experts: Count | None = Field(
        None, description="Most experts that see a row, the highest gates first. Null: no limit."
    )
    l1_initial: Annotated[float, Field(gt=0)] = Field(
        1e-8, description="Weight of the L1 penalty on the gates at the first step."
    )
    l1_multiplier: Annotated[float, Field(gt=1)] = Field(
        1.05,
        description="Factor by which that weight rises or falls each step to hold k. The paper's "
        "1.2 gets there sooner, and swings more.",
    )

    def rules(self):
        if self.max_experts is not None and self.max_experts < self.k:
            yield "max_experts", f"{self.max_experts} is less than k, which is {self.k}"

    def unused(self):
        return {} if self.trainable else {"l1_multiplier": "trainable is false"}


class DenseRouter(_LearnedRouter):
    """Each row goes to every expert, weighted by a softmax: the gate of MMoE. Nothing is sparse."""

    type: Literal["dense"] = Field("dense", description="Every expert, with softmax weights.")
    jitter: Fraction = Field(0.0, description=_JITTER)
    importance_loss: NotNegative = Field(0.0, description=_IMPORTANCE)


class UniformRouter(Section):
    """Each row goes to every expert with the same weight: an ensemble without a router."""

    type: Literal["uniform"] = Field("uniform", description="Every expert, with equal weights.")


class ExpertChoiceRouter(_LearnedRouter):
    """Each expert picks the rows of a batch that score highest with it: the load is always even."""

    type: Literal["expert_choice"] = Field(
        "expert_choice", description="Each expert picks its rows among those of a batch."
    )
    capacity_factor: Positive = Field(2.0, description="Experts that see a row, on average.")
    threshold_decay: Fraction | None = Field(
        None,
        description="What one step keeps of the averaged thresholds by which a row finds its "
        "experts outside training. Null: experts pick there too, so that the prediction of a row "
        "depends on the rows beside it.",
    )
    jitter: Fraction = Field(0.0, description=_JITTER)
    importance_loss: NotNegative = Field(0.0, description=_IMPORTANCE)

    def unused(self):
        # A frozen router remembers no thresholds.
        if self.trainable or self.threshold_decay is None:
            return {}
        return {"threshold_decay": "trainable is false"}


class DSelectKRouter(_LearnedRouter):
    """k selectors spell experts in bits that gradients move to 0 or 1; dense until they are."""

    type: Literal["dselect_k"] = Field(
        "dselect_k", description="At most k experts, by a smooth choice that starts dense."
    )
    k: Count = Field(2, description="Selectors: experts that see each row once they have decided.")
    per_example: bool = Field(
        True, description="Whether the choice depends on the row. False: one choice for all rows."
    )
    gamma: Positive = Field(
        1.0, description="Width of the smooth step from bit 0 to bit 1. Larger decides later."
    )
    entropy_loss: NotNegative = Field(
        0.01,
        description="Weight of the selectors' mean entropy, 1 while they are undecided, 0 once "
        "they have decided.",
    )
    entropy_warmup_steps: CountOrZero = Field(
        0, description="Training steps over which that weight grows from 0."
    )
    jitter: Fraction = Field(0.0, description=_JITTER)
    importance_loss: NotNegative = Field(0.0, description=_IMPORTANCE)

    def unused(self):
        unused = {}
        if not self.per_example:
            unused["jitter"] = "per_example is false"
        if not self.entropy_loss:
            unused["entropy_warmup_steps"] = "entropy_loss is 0"
        return unused


class HierarchicalRouter(_LearnedRouter):
    """A gate chooses groups of experts for each row, and a gate in each group its experts."""

    type: Literal["hierarchical"] = Field(
        "hierarchical", description="The best groups, and the best experts of each."
    )
    k: Count = Field(2, description="Experts that see each row, as many from each group.")
    num_groups: Count = Field(2, description="Groups of experts, all of one size.")
    groups_kept: Count = Field(1, description="Groups that a row's experts are in.")
    normalize: bool | None = Field(
        None,
        description="Whether scores are divided by the sum of those chosen, at both levels. Null: "
        "divided, one that is chosen alone by the sum of the best two.",
    )
    use_bias: bool = Field(False, description="Whether the logits of both gates have biases.")
    jitter: Fraction = Field(0.0, description=_JITTER)
    balance_loss: NotNegative = Field(0.01, description=_BALANCE)
    importance_loss: NotNegative = Field(0.0, description=_IMPORTANCE)
    mean_entropy_loss: NotNegative = Field(0.0, description=_MEAN_ENTROPY)
    token_entropy_loss: NotNegative = Field(0.0, description=_TOKEN_ENTROPY)

    def rules(self):
        yield from hierarchy_conflicts(self)

    def misfits(self, num_experts):
        yield from hierarchy_misfits(self, num_experts)

    def unused(self):
        return {} if self.trainable else {"use_bias": "trainable is false"}


class SinkhornRouter(_LearnedRouter):
    """Each row goes to k experts, chosen in training so that experts get nearly the same load."""

    type: Literal["sinkhorn"] = Field(
        "sinkhorn", description="The k best, made even over a batch in training (S-BASE)."
    )
    k: Count = Field(2, description="Experts that see each row.")
    temperature: Positive = Field(
        0.3,
        description="What logits are divided by before they are balanced. A lower one makes the "
        "load more even, and takes more iterations.",
    )
    iterations: Count = Field(
        20, description="How often the shares of rows and of experts are scaled in turn."
    )
    normalize: bool = Field(
        True, description="Whether the weights of k above 1 are divided by their sum."
    )
    jitter: Fraction = Field(0.0, description=_JITTER)
    importance_loss: NotNegative = Field(0.0, description=_IMPORTANCE)

    def unused(self):
        return {"normalize": "k is 1, and a sigmoid the weight"} if self.k == 1 else {}


class BalancedRouter(_LearnedRouter):
    """Rows are dealt to the experts in turn, whatever they hold: the load is exactly even."""

    type: Literal["balanced"] = Field(
        "balanced", description="Experts in turn, for experiments: an even load without choice."
    )
    k: Count = Field(2, description="Experts that see each row.")
    equal_weights: bool = Field(
        False,
        description="Whether each weight is 1/k. False: the router learns the weights of the "
        "experts that a row was dealt.",
    )
    shuffle: bool = Field(
        False,
        description="Whether rows and experts are dealt in a random order at each step of "
        "training. Outside training, and if false, it is the order of the batch.",
    )

    def unused(self):
        return {"trainable": "equal_weights is true"} if self.equal_weights else {}


ROUTERS = Choice(
    "router",
    TopKRouter,
    CosineRouter,
    ThresholdRouter,
    ReLURouter,
    DenseRouter,
    UniformRouter,
    ExpertChoiceRouter,
    DSelectKRouter,
    HierarchicalRouter,
    SinkhornRouter,
    BalancedRouter,
)
RouterConfig = Annotated[Section, ROUTERS]
