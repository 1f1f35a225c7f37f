"""`model.router`: each expert has a gate; a row goes to every expert whose gate is open."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.section import Count, Fraction, NotNegative, Section
from sparse_keras.schema.sections.routers.base import BALANCE, IMPORTANCE, JITTER, LearnedRouter


class ThresholdRouter(LearnedRouter):
    """Each row goes to every expert whose sigmoid gate is above a threshold."""

    type: Literal["threshold"] = Field("threshold", description="Every gate above a threshold.")
    threshold: Fraction = Field(0.5, description="A sigmoid gate is open above this.")
    max_experts: Count | None = Field(
        None, description="Most experts that see a row, the highest gates first. Null: no limit."
    )
    normalize: bool = Field(
        False, description="Whether the weights of the open gates are divided by their sum."
    )
    balance_loss: NotNegative = Field(0.01, description=BALANCE)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def rules(self):
        if self.normalize and self.max_experts == 1:
            yield (
                "normalize",
                "true with max_experts: 1 makes every weight 1, so the router gets no gradient",
            )


class ReLURouter(LearnedRouter):
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


class DenseRouter(LearnedRouter):
    """Each row goes to every expert, weighted by a softmax: the gate of MMoE. Nothing is sparse."""

    type: Literal["dense"] = Field("dense", description="Every expert, with softmax weights.")
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)


class UniformRouter(Section):
    """Each row goes to every expert with the same weight: an ensemble without a router."""

    type: Literal["uniform"] = Field("uniform", description="Every expert, with equal weights.")
