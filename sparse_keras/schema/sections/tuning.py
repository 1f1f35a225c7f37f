"""`training.lora`, and the lists of roles of `training.freeze` and `training.train_only`."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from sparse_keras._internal.roles import Role
from sparse_keras.schema.core.section import Count, Positive, Section

Roles = Annotated[
    tuple[Role, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


class Lora(Section):
    """Low-rank updates of frozen matrices: the arguments of `sparse_keras.enable_lora`."""

    rank: Count = Field(description="Rank of the update of each matrix; each expert has its own.")
    alpha: Positive | None = Field(
        None, description="Updates are scaled by alpha / rank. Null: by 1."
    )
    roles: Roles | None = Field(
        None,
        description="Roles of the layers that get updates. Null: those of experts, router and "
        "attention that the model has.",
    )
