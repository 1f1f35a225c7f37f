"""`model.router`: each expert has a gate; a row goes to every expert whose gate is open."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.section import BrokenRules, Count, Fraction, NotNegative, Section
from sparse_keras.schema.sections.routers.base import BALANCE, IMPORTANCE, JITTER, LearnedRouter


class ThresholdRouter(LearnedRouter):
    """Each row goes to every expert whose sigmoid gate is above a threshold."""

    type: Literal["threshold"] = Field(
        "threshold", description="Every expert whose gate is above a threshold."
    )
    threshold: Fraction = Field(0.5, description="A sigmoid gate above this is open.")
    max_experts: Count | None = Field(
        None, description="Maximum number of experts per row, highest gates first. Null: no limit."
    )
    normalize: bool = Field(
        False, description="Whether to divide the weights of the open gates by their sum."
    )
    balance_loss: NotNegative = Field(0.01, description=BALANCE)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def rules(self) -> BrokenRules:
        if self.normalize and self.max_experts == 1:
            yield (
                "normalize",
                "true with max_experts: 1 makes every weight 1, so the router gets no gradient",
            )


class ReLURouter(LearnedRouter):
    """Each row goes to every expert whose ReLU gate is open; a penalty keeps their mean at k."""

    type: Literal["relu"] = Field(
        "relu", description="Every expert whose ReLU gate is above 0 (ReMoE)."
    )
    k: Count = Field(2, description="Mean number of experts per row, which the penalty aims at.")
    max_experts: Count | None = Field(
        None, description="Maximum number of experts per row, highest gates first. Null: no limit."
    )
    l1_initial: Annotated[float, Field(gt=0)] = Field(
        1e-8, description="Initial weight of the L1 penalty on the gates."
    )
    l1_multiplier: Annotated[float, Field(gt=1)] = Field(
        1.05,
        description="Factor by which that weight rises or falls at each step to reach k. "
        "The paper's 1.2 reaches it sooner but oscillates more.",
    )

    def rules(self) -> BrokenRules:
        if self.max_experts is not None and self.max_experts < self.k:
            yield "max_experts", f"{self.max_experts} is less than k, which is {self.k}"

    def unused(self) -> dict[str, str]:
        return {} if self.trainable else {"l1_multiplier": "trainable is false"}


class DenseRouter(LearnedRouter):
    """Each row goes to every expert, weighted by a softmax, as in MMoE. No computation is saved."""

    type: Literal["dense"] = Field("dense", description="Every expert, with softmax weights.")
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)


class UniformRouter(Section):
    """Each row goes to every expert with the same weight: an ensemble without a router."""

    type: Literal["uniform"] = Field("uniform", description="Every expert, with equal weights.")
