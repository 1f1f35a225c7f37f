"""`model.router`: routers whose load is even by construction, without a balance loss."""

from typing import Literal

from pydantic import Field

from sparse_keras.schema.core.section import Count, Fraction, NotNegative, Positive
from sparse_keras.schema.sections.routers.base import IMPORTANCE, JITTER, LearnedRouter


class ExpertChoiceRouter(LearnedRouter):
    """Each expert chooses the rows of a batch with the highest scores: the load is always even."""

    type: Literal["expert_choice"] = Field(
        "expert_choice", description="Each expert chooses its rows among those of a batch."
    )
    capacity_factor: Positive = Field(2.0, description="Mean number of experts per row.")
    threshold_decay: Fraction | None = Field(
        None,
        description="Decay of the running mean of each expert's lowest chosen score in "
        "training; outside training, a row goes to the experts whose mean it reaches. Null: "
        "experts choose there too, so that the prediction of a row depends on the rest of its "
        "batch.",
    )
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def unused(self) -> dict[str, str]:
        # A router that is not trained keeps no thresholds.
        if self.trainable or self.threshold_decay is None:
            return {}
        return {"threshold_decay": "trainable is false"}


class SinkhornRouter(LearnedRouter):
    """Each row goes to k experts, which are balanced over each batch in training (S-BASE)."""

    type: Literal["sinkhorn"] = Field(
        "sinkhorn", description="The k best experts, balanced over a batch in training."
    )
    k: Count = Field(2, description="Number of experts per row.")
    temperature: Positive = Field(
        0.3,
        description="Temperature that divides the logits before they are balanced. A lower "
        "one makes the load more even but needs more iterations.",
    )
    iterations: Count = Field(
        20,
        description="Number of Sinkhorn iterations, each of which normalises over experts "
        "and over rows.",
    )
    normalize: bool = Field(
        True,
        description="Whether to divide the weights by their sum. Has an effect if k is above 1.",
    )
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def unused(self) -> dict[str, str]:
        return {"normalize": "k is 1, and the weight is a sigmoid"} if self.k == 1 else {}


class BalancedRouter(LearnedRouter):
    """Rows go to the experts in turn, whatever their values: the load is exactly even."""

    type: Literal["balanced"] = Field(
        "balanced", description="Experts in turn, for experiments: an even load without a choice."
    )
    k: Count = Field(2, description="Number of experts per row.")
    equal_weights: bool = Field(
        False,
        description="Whether each weight is 1/k. False: the router learns the weights of "
        "the experts assigned to a row.",
    )
    shuffle: bool = Field(
        False,
        description="Whether to assign rows in a random order at each training step. "
        "False, and outside training: in the order of the batch.",
    )

    def unused(self) -> dict[str, str]:
        return {"trainable": "equal_weights is true"} if self.equal_weights else {}
