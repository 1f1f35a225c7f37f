"""`model.upcycle`: a trained dense model whose feed-forward layers become mixtures of experts."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sparse_keras.schema.core.section import BrokenRules, Count, NotNegative, Section, Text
from sparse_keras.schema.sections.mixtures import router_conflicts
from sparse_keras.schema.sections.routers import RouterConfig, TopKRouter

Layers = Annotated[
    tuple[int | Text, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]


class Upcycle(Section):
    """How a dense checkpoint becomes sparse: the arguments of `sparse_keras.upcycle`.

    Noise and draws are seeded by `training.seed`, like all initial weights.
    """

    num_experts: Count = Field(
        description="Number of experts of each mixture, a multiple of split."
    )
    layers: Layers | None = Field(
        None,
        description="Which feed-forward layers: a list of names of blocks, or of positions among "
        "the dense feed-forward layers, from the end if negative. Null: all of them.",
    )
    split: Count = Field(
        1,
        description="Number of parts of equal size into which hidden units are divided; each "
        "expert is one part. It divides router.k, so that whole copies are chosen. 1: each expert "
        "is a copy.",
    )
    router: RouterConfig = Field(
        default_factory=TopKRouter,
        description="Which experts each token goes to: a router, as in `model.router`. It says k.",
    )
    noise: NotNegative = Field(
        0.0,
        description="Standard deviation of the noise that each expert's matrices get, in standard "
        "deviations of their values.",
    )
    reinitialize: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="Share of the hidden units that are drawn again in each expert, from the "
        "normal distribution of the dense matrix.",
    )

    def rules(self) -> BrokenRules:
        if self.num_experts % self.split:
            yield "num_experts", f"is no multiple of split, which is {self.split}"
        k = getattr(self.router, "k", None)
        if k is not None and k % self.split:
            yield "router.k", f"{k} is no multiple of split, which is {self.split}"
        yield from router_conflicts(self.router, self.num_experts, "model.upcycle.num_experts")

    def kwargs(self) -> dict[str, Any]:
        layers = None if self.layers is None else list(self.layers)
        return super().kwargs() | {"layers": layers}
