"""Routing: what a router returns, and functions that make one or change one.

N is the number of tokens, E that of experts, and K that of slots: places for a token's experts.
"""

from typing import TypedDict

from keras import ops

from sparse_keras._internal.typing import Tensor


class Routing(TypedDict):
    """Which experts each token goes to, and with what weight.

    * `"expert_index"`: int32 `[N, K]`, the chosen experts.
    * `"weight"`: float32 `[N, K]`, the weight of each chosen expert; 0 where closed.
    * `"is_open"`: bool `[N, K]`. A closed slot reaches no expert. Those of padding are closed.
    * `"scores"`: float32 `[N, E]`, never negative: how much a token prefers each expert. Losses,
      statistics and the drop order read them.
    * `"logits"`: float32 `[N, E]`, from which `Router.weigh` computes the weights of other choices.

    A router may add entries of its own, tensors with N as first axis, such as
    `"selector_entropy"` of a `DSelectKRouter`.

    A routing is a plain dict because Keras passes it through functional models: there, a NamedTuple
    comes back as a list, and a dataclass is not accepted.
    """

    expert_index: Tensor
    weight: Tensor
    is_open: Tensor
    scores: Tensor
    logits: Tensor


def closed_to_padding(routing: Routing, mask: Tensor | None) -> Routing:
    """Returns a routing with all slots of padding closed.

    Args:
        routing: A routing.
        mask: Bool `[N]`, False for padding, or `None`.
    """
    if mask is None:
        return routing
    is_open = ops.logical_and(routing["is_open"], mask[:, None])
    weight = ops.where(is_open, routing["weight"], 0.0)
    return {**routing, "is_open": is_open, "weight": weight}


def every_slot(weight: Tensor) -> dict[str, Tensor]:
    """Opens every expert, in slots 0 to E - 1.

    Args:
        weight: Float32 `[N, E]`, the weight of each expert.

    Returns:
        The entries `"expert_index"`, `"weight"` and `"is_open"` of a routing.
    """
    expert_index = ops.arange(weight.shape[-1], dtype="int32")[None]
    return {
        "expert_index": ops.broadcast_to(expert_index, ops.shape(weight)),
        "weight": weight,
        "is_open": ops.ones_like(weight, dtype="bool"),
    }


def open_slots(gates: Tensor, is_open: Tensor, max_experts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Puts any number of open experts into K slots, some of which stay closed.

    Args:
        gates: Float32 `[N, E]`, the weight of each expert where it is open.
        is_open: Bool `[N, E]`.
        max_experts: K. If more experts are open, those with the largest gates stay open.

    Returns:
        `(expert_index, weight, is_open)` of a routing.
    """
    num_experts = gates.shape[-1]
    gates = ops.where(is_open, gates, ops.zeros_like(gates))
    if max_experts < num_experts:
        weight, expert_index = ops.top_k(gates, max_experts)
        return ops.cast(expert_index, "int32"), weight, weight > 0
    return every_slot(gates)["expert_index"], gates, is_open


def divide_by_total(weight: Tensor, total: Tensor) -> Tensor:
    """Divides weights `[N, K]` by a total `[N, 1]` that may have rounded to 0.

    It rounds to 0 where experts were chosen by something else than their scores, such as a bias.
    The gradient divides by the square of the floor used here, which must not round to 0 either.
    """
    return weight / ops.maximum(total, 1e-18)
