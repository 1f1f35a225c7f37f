"""The cache of one attention layer: what earlier tokens left for later ones.

A cache is a dict of tensors of a fixed size, `[B, S, ...]` each: S is the longest sequence that
fits. Calls return a new dict and change none, so that a cache can be the state of a loop that is
compiled. Beside keys and values, or what they are computed from, there is `"position"`: int32
`[B, S]`, -1 where the cache is empty, or holds padding.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor

EMPTY = -1


def empty_cache(
    batch_size: Any, max_length: int, shapes: Mapping[str, tuple[int, ...]], dtype: str
) -> dict[str, Tensor]:
    """Makes a cache.

    Args:
        batch_size: B, an integer or a scalar tensor.
        max_length: S.
        shapes: Name and shape of what is stored for each token.
        dtype: Its dtype.
    """
    cache = {
        name: ops.zeros((batch_size, max_length, *shape), dtype) for name, shape in shapes.items()
    }
    return {**cache, "position": ops.full((batch_size, max_length), EMPTY, "int32")}


def write(
    cache: Mapping[str, Tensor],
    entries: Mapping[str, Tensor],
    positions: Tensor,
    mask: Tensor,
    index: Any,
) -> dict[str, Tensor]:
    """Returns a cache with T more tokens.

    Args:
        cache: The cache before.
        entries: What is stored of the tokens, `[B, T, ...]` each.
        positions: Int `[B or 1, T]`.
        mask: Optional bool `[B, T]`, False for padding, which stays invisible.
        index: Where the first of the tokens is stored: an integer or a scalar tensor.
    """
    if mask is not None:
        positions = ops.where(mask, positions, EMPTY)
    first = next(iter(entries.values()))
    positions = ops.broadcast_to(positions, ops.shape(first)[:2])
    entries = {**entries, "position": ops.cast(positions, "int32")}
    return {
        name: ops.slice_update(
            buffer,
            [0, index, *(0 for _ in buffer.shape[2:])],
            ops.cast(entries[name], buffer.dtype),
        )
        for name, buffer in cache.items()
    }


def filled_part(cache: Mapping[str, Tensor], index: Any, length: Any) -> dict[str, Tensor]:
    """Returns the cache up to the last token, if its place is known where this is traced.

    So the first call, of a whole prompt, costs the length of the prompt, and not that of the cache.
    """
    if isinstance(index, int) and isinstance(length, int):
        return {name: buffer[:, : index + length] for name, buffer in cache.items()}
    return dict(cache)


def check_cache(layer: keras.layers.Layer, cache: Any, names: Any, index: Any, length: Any) -> None:
    """Raises a ValueError if a call with a cache cannot work."""
    if cache is None:
        if index is not None:
            raise ValueError(f"`cache_index` is for a `cache`. Received: cache_index={index}.")
        return
    expected = sorted([*names, "position"])
    if not isinstance(cache, Mapping) or sorted(cache) != expected:
        received = sorted(cache) if isinstance(cache, Mapping) else type(cache).__name__
        raise ValueError(
            f"`cache` must be what {layer.name!r}.make_cache(batch_size, max_length) returns, a "
            f"dict of {expected}. Received: {received}."
        )
    if index is None:
        raise ValueError("A `cache` needs a `cache_index`: where its first new token is stored.")
    size = cache["position"].shape[1]
    if isinstance(index, int) and None not in (length, size) and not 0 <= index <= size - length:
        raise ValueError(
            f"The cache has room for {size} tokens. Received: {length} tokens, the first one at "
            f"cache_index={index}."
        )
