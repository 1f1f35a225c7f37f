"""Which keys each query may attend to, as a bool tensor `[B or 1, T, S]`."""

from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.masks import all_of


def visible_in_sequence(
    positions: Tensor,
    causal: bool,
    window: int | None = None,
    mask: Tensor = None,
    segment_ids: Tensor = None,
) -> Tensor:
    """Compares the tokens of a sequence with each other.

    Causality follows the order of the tokens and not their positions, which a user may choose: no
    choice of positions shows a token the future.

    Args:
        positions: Int `[B or 1, T]`, in which the window is measured.
        causal: Whether a token sees no later one.
        window: Optional: it sees those less than this many positions away.
        mask: Optional bool `[B, T]`, False for padding, which no token sees.
        segment_ids: Optional int `[B, T]`: a token sees those of its own segment.

    Returns:
        Bool `[B or 1, T, T]`; `None` if every token sees all.
    """
    conditions = []
    if causal:
        order = ops.arange(ops.shape(positions)[1], dtype="int32")
        conditions += [order[None, :, None] >= order[None, None, :]]
    if window is not None:
        distance = positions[:, :, None] - positions[:, None, :]
        conditions += [ops.abs(distance) < window]
    if mask is not None:
        conditions += [mask[:, None, :]]
    if segment_ids is not None:
        conditions += [segment_ids[:, :, None] == segment_ids[:, None, :]]
    return all_of(conditions)


def visible_in_cache(
    positions: Tensor, cached_positions: Tensor, window: int | None = None
) -> Tensor:
    """Compares new tokens with those in a cache, themselves included.

    A token sees none at a later position.

    Args:
        positions: Int `[B or 1, T]`, of the new tokens.
        cached_positions: Int `[B, S]`, -1 where there is no token.
        window: As of `visible_in_sequence`.

    Returns:
        Bool `[B, T, S]`.
    """
    key = cached_positions[:, None, :]
    distance = positions[:, :, None] - key
    conditions = [key >= 0, distance >= 0]
    if window is not None:
        conditions += [distance < window]
    return all_of(conditions)
