"""`model.router`: a smooth choice of k experts, which starts dense."""

from typing import Literal

from pydantic import Field

from sparse_keras.schema.core.section import Count, CountOrZero, Fraction, NotNegative, Positive
from sparse_keras.schema.sections.routers.base import IMPORTANCE, JITTER, LearnedRouter


class DSelectKRouter(LearnedRouter):
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
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def unused(self):
        unused = {}
        if not self.per_example:
            unused["jitter"] = "per_example is false"
        if not self.entropy_loss:
            unused["entropy_warmup_steps"] = "entropy_loss is 0"
        return unused
