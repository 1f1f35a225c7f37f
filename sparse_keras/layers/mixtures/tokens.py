"""Inputs, masks and routings of mixtures, between the axes of the model and those of the tokens.

A mixture works on tokens `[N, D]`, N being all axes of its inputs `[..., D]` but the last.
"""

import math
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from sparse_keras.layers.routers import Router

if TYPE_CHECKING:
    from sparse_keras.layers.mixtures.mixture import Mixture


def check_input_shape(
    layer: "Mixture", input_shape: tuple[int | None, ...], ranks: tuple[int, ...] = (2, 3, 4)
) -> None:
    """Raises a ValueError unless a mixture takes inputs of this shape."""
    name = type(layer).__name__
    if len(input_shape) not in ranks:
        ranks = f"{', '.join(map(str, ranks[:-1]))} or {ranks[-1]}"
        raise ValueError(
            f"{name} expects inputs of rank {ranks}, [..., D]. Received: "
            f"input_shape={tuple(input_shape)}."
        )
    if input_shape[-1] is None:
        raise ValueError(
            f"{name} needs a static last axis. Received: input_shape={tuple(input_shape)}."
        )
    for router in layer.gates.values():
        router.check_input_shape(input_shape)


def as_tokens(layer: "Mixture", inputs: Any, token_mask: Any) -> Any:
    """Flattens inputs `[..., D]` to tokens `[N, D]`, with zeros for padding."""
    if not keras.backend.is_float_dtype(inputs.dtype):  # Keras casts only floats by itself.
        inputs = ops.cast(inputs, layer.compute_dtype)
    tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))
    if token_mask is None:
        return tokens
    # Padding may hold anything, NaN included. Zeros keep it out of every gradient.
    return ops.where(token_mask[:, None], tokens, ops.zeros_like(tokens))


def as_examples(tokens: Any, token_mask: Any, shape: tuple[Any, ...]) -> tuple[Any, Any]:
    """Averages the positions of each example: the input of a router of whole examples.

    Args:
        tokens: `[N, D]`, zeros for padding.
        token_mask: Optional bool `[N]`.
        shape: Shape of the inputs, `[B, ..., D]`.

    Returns:
        `[B, D]`, and bool `[B]`, False for an example of padding alone; or `None` without a mask.
    """
    axes = tuple(range(1, len(shape) - 1))
    tokens = ops.cast(ops.reshape(tokens, shape), "float32")  # As the router, which sums long rows.
    if not axes:
        return tokens, token_mask
    if token_mask is None:
        count = ops.cast(math.prod(shape[1:-1]), "float32")  # 0 for examples without positions.
        return ops.sum(tokens, axis=axes) / ops.maximum(count, 1.0), None
    counts = ops.sum(ops.cast(ops.reshape(token_mask, shape[:-1]), "float32"), axis=axes)
    return ops.sum(tokens, axis=axes) / ops.maximum(counts, 1.0)[:, None], counts > 0


def token_mask_of(mask: Any, inputs: Any) -> Any:
    """Flattens a mask to bool `[N]`, repeated over the leading axes that it lacks."""
    leading = ops.shape(inputs)[:-1]
    mask = ops.cast(mask, "bool")
    pairs = zip(mask.shape, inputs.shape[:-1], strict=False)
    fits = all(a == b or None in (a, b) for a, b in pairs)
    if not fits or not 1 <= len(mask.shape) <= len(leading):
        raise ValueError(
            "`mask` must have the leading axes of `inputs`, or the first of them. Received: mask "
            f"{tuple(mask.shape)}, inputs {tuple(inputs.shape)}."
        )
    mask = ops.reshape(mask, (*ops.shape(mask), *(1 for _ in leading[len(mask.shape) :])))
    return ops.reshape(ops.broadcast_to(mask, leading), (-1,))


def by_expert(routing: dict[str, Any], router: Router) -> tuple[Any, Any]:
    """Turns a routing by slot into one by expert: weights float32 and open bool, both `[N, E]`."""
    weight = ops.where(routing["is_open"], routing["weight"], 0.0)
    if router.slots_are_experts:
        return weight, routing["is_open"]
    chosen = ops.one_hot(routing["expert_index"], router.num_experts, dtype="float32")
    chosen = ops.where(routing["is_open"][..., None], chosen, 0.0)
    return ops.sum(chosen * weight[..., None], axis=1), ops.any(chosen > 0, axis=1)
