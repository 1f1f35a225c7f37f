"""`model.router`: each row goes to the best experts of the best groups."""

from typing import Literal

from pydantic import Field

from sparse_keras._internal.token_choice import hierarchy_conflicts, hierarchy_misfits
from sparse_keras.schema.core.section import BrokenRules, Count, Fraction, NotNegative
from sparse_keras.schema.sections.routers.base import (
    BALANCE,
    IMPORTANCE,
    JITTER,
    MEAN_ENTROPY,
    TOKEN_ENTROPY,
    LearnedRouter,
)


class HierarchicalRouter(LearnedRouter):
    """A gate chooses groups of experts for each row, and a gate of each group chooses experts."""

    type: Literal["hierarchical"] = Field(
        "hierarchical", description="The best experts of the best groups."
    )
    k: Count = Field(
        2, description="Number of experts per row, equally many from each chosen group."
    )
    num_groups: Count = Field(2, description="Number of groups of experts, all of the same size.")
    groups_kept: Count = Field(
        1, description="Number of groups from which the experts of a row are chosen."
    )
    normalize: bool | None = Field(
        None,
        description="Whether to divide the chosen scores by their sum, at both levels. "
        "Null: true, but a score that is chosen alone is divided by the sum of the best two.",
    )
    use_bias: bool = Field(False, description="Whether the logits of both gates have biases.")
    jitter: Fraction = Field(0.0, description=JITTER)
    balance_loss: NotNegative = Field(0.01, description=BALANCE)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)
    mean_entropy_loss: NotNegative = Field(0.0, description=MEAN_ENTROPY)
    token_entropy_loss: NotNegative = Field(0.0, description=TOKEN_ENTROPY)

    def rules(self) -> BrokenRules:
        yield from hierarchy_conflicts(self)

    def misfits(self, num_experts: int) -> BrokenRules:
        yield from hierarchy_misfits(self, num_experts)

    def unused(self) -> dict[str, str]:
        return {} if self.trainable else {"use_bias": "trainable is false"}
