"""`model.router`: a smooth choice of k experts, which starts dense."""

from typing import Literal

from pydantic import Field

from sparse_keras.schema.core.section import Count, CountOrZero, Fraction, NotNegative, Positive
from sparse_keras.schema.sections.routers.base import IMPORTANCE, JITTER, LearnedRouter


class DSelectKRouter(LearnedRouter):
    """DSelect-k: smooth binary codes select the experts, and training drives them to 0 or 1."""

    type: Literal["dselect_k"] = Field(
        "dselect_k",
        description="At most k experts, by a smooth choice that starts dense (DSelect-k).",
    )
    k: Count = Field(
        2,
        description="Number of selectors: the maximum number of experts per row once all "
        "have decided. Until then every expert is computed.",
    )
    per_example: bool = Field(
        True, description="Whether the choice depends on the row. False: one choice for all rows."
    )
    gamma: Positive = Field(
        1.0,
        description="Width of the smooth step from 0 to 1. Selectors with a larger one "
        "decide later.",
    )
    entropy_loss: NotNegative = Field(
        0.01,
        description="Weight of the selectors' mean entropy, which is 1 while they are "
        "undecided and 0 once they have decided.",
    )
    entropy_warmup_steps: CountOrZero = Field(
        0, description="Number of training steps over which that weight grows from 0."
    )
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def unused(self) -> dict[str, str]:
        unused = {}
        if not self.per_example:
            unused["jitter"] = "per_example is false"
        if not self.entropy_loss:
            unused["entropy_warmup_steps"] = "entropy_loss is 0"
        return unused
