"""What models with experts share: the shared expert, and the rules between router and banks."""

from pydantic import Field

from sparse_keras._internal.token_choice import EXACTLY_K
from sparse_keras.schema.core.section import BrokenRules, Count, Section
from sparse_keras.schema.sections.experts import Activation, ExpertsSection


class SharedExpert(Section):
    """An expert that every row goes through, besides those the router chooses."""

    hidden_dim: Count = Field(description="Width between its two matrices.")
    activation: Activation = Field("relu", description="Activation between its two matrices.")
    gated: bool = Field(
        False,
        description="Whether a learned sigmoid gate scales the output for each row, as in "
        "Qwen2-MoE. With share_experts, all blocks have the same gate.",
    )


def conflicts_with_experts(
    router: Section, *banks: ExpertsSection, segments: int = 1
) -> BrokenRules:
    """Yields `(key of the model, message)` for what a router asks of its experts and they lack.

    Where experts are split into segments, numbers in the config are those before the split.
    """
    num_experts = sum(bank.num_experts for bank in banks)
    names = ["experts"] if len(banks) == 1 else ["shared_experts", "task_experts"]
    which = " + ".join(f"model.{name}.num_experts" for name in names)
    yield from router_conflicts(router, num_experts, which, segments)


def router_conflicts(
    router: Section, num_experts: int, which: str, segments: int = 1
) -> BrokenRules:
    """Yields `(key, message)` for what a router asks of a number of experts, and they lack.

    Args:
        router: The section of the router, under the key `router`.
        num_experts: The number of experts.
        which: The keys that say it, for the message.
        segments: Into how many segments experts are split, after these numbers.
    """
    for key in ("k", "max_experts", "capacity_factor"):
        count = getattr(router, key, None)
        if count is not None and count > num_experts:
            yield f"router.{key}", f"{count} is more than {which}, which is {num_experts}"
    if hasattr(router, "misfits"):  # A plug-in's need not have it.
        split = segments > 1 and router.type in EXACTLY_K
        after = router.model_copy(update={"k": segments * router.k}) if split else router
        for key, reason in after.misfits(segments * num_experts):
            yield f"router.{key}", reason + " (after the split into segments)" * split
