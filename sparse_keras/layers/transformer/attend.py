"""Attention itself: weighted means of values.

Axes: B examples, T queries, S keys, H heads of queries, K heads of keys and values, of which each
serves G = H / K heads of queries.
"""

from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.transformer.precision import at_least_float32


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    visible: Tensor = None,
    sinks: Tensor = None,
) -> Tensor:
    """Averages values by the softmax of scaled products of queries and keys.

    Heads of keys and values are not repeated, which spares a copy of the cache in each step of a
    generation. The softmax is computed in float32 at least.

    Args:
        query: `[B, T, H, head_dim]`.
        key: `[B, S, K, head_dim]`, K a divisor of H.
        value: `[B, S, K, value_dim]`.
        scale: Factor of the products.
        visible: Optional bool `[B or 1, T, S]`. A query that sees no key gets zeros.
        sinks: Optional `[H]`: a logit of each head that takes part in the softmax without a value.

    Returns:
        `[B, T, H, value_dim]`.
    """
    batch, length = ops.shape(query)[0], ops.shape(query)[1]
    heads, groups = key.shape[2], query.shape[2] // key.shape[2]
    query = ops.reshape(query, (batch, length, heads, groups, query.shape[3]))
    logits = ops.einsum("btkgd,bskd->bkgts", query, key)
    dtype = at_least_float32(logits.dtype)
    logits = ops.cast(logits, dtype) * scale
    if sinks is not None:
        sinks = ops.reshape(ops.cast(sinks, dtype), (1, heads, groups, 1, 1))
    weights = _softmax(logits, None if visible is None else visible[:, None, None], sinks)
    means = ops.einsum("bkgts,bskd->btkgd", ops.cast(weights, value.dtype), value)
    return ops.reshape(means, (batch, length, heads * groups, value.shape[3]))


def _softmax(logits, visible, sinks):
    if visible is None and sinks is None:
        return ops.softmax(logits, axis=-1)
    if visible is not None:
        # Finite, for a row without visible keys: there, infinities would make NaN.
        logits = ops.where(visible, logits, -1e30)
    largest = ops.max(logits, axis=-1, keepdims=True, initial=-1e30)  # S may be 0.
    if sinks is not None:
        largest = ops.maximum(largest, sinks)
    largest = ops.stop_gradient(largest)
    weights = ops.exp(logits - largest)
    if visible is not None:
        weights = ops.where(visible, weights, 0.0)
    total = ops.sum(weights, axis=-1, keepdims=True)
    if sinks is not None:
        total = total + ops.exp(sinks - largest)
    # At least 1 but for a row without visible keys: the largest logit adds exp(0).
    # As a tensor: on PyTorch, Keras takes a number for a float32, and makes the float64 one, too.
    return weights / ops.maximum(total, ops.convert_to_tensor(1e-30, total.dtype))


def attend_fused(
    query: Tensor, key: Tensor, value: Tensor, scale: float, visible: Tensor, causal_only: bool
) -> Tensor:
    """Does what `attend` does, by an operation of Keras that uses flash attention where it can.

    Args:
        query: As of `attend`.
        key: As of `attend`.
        value: As of `attend`, with `value_dim` equal to `head_dim`.
        scale: As of `attend`.
        visible: As of `attend`.
        causal_only: Whether `visible` says no more than that tokens do not see later ones. Flash
            attention knows this without a mask.

    Returns:
        As `attend`.
    """
    if visible is None or causal_only:
        return ops.dot_product_attention(query, key, value, scale=scale, is_causal=causal_only)
    # A query that sees nothing sees all instead, and its result is left out: backends differ there.
    sees = ops.any(visible, axis=-1, keepdims=True)
    mask = ops.logical_or(visible, ops.logical_not(sees))
    means = ops.dot_product_attention(query, key, value, mask=mask[:, None], scale=scale)
    return ops.where(sees[..., None], means, ops.zeros_like(means))
