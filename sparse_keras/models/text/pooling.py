"""pooled: one vector for a text, of those of its tokens."""

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.transformer.precision import at_least_float32
from sparse_keras.layers.validation import one_of

POOLINGS = ("mean", "attention", "max", "first")


def pooled(x: Tensor, mask: Tensor, pooling: str, name: str = "pooling") -> Tensor:
    """Pools the tokens of each text. Padding does not count, whatever it holds.

    Args:
        x: `[B, T, D]`.
        mask: Bool `[B, T]`, False for padding.
        pooling: `"mean"`; `"attention"`, a mean weighted by the softmax of a learned score of each
            token, which begins as the mean; `"max"`, the largest value of each feature; or
            `"first"`, the vector of the first token, which has seen all others.
        name: Name of the layer of the scores.

    Returns:
        `[B, D]`. Zeros for a text without tokens, but for `"first"`.

    Raises:
        ValueError: If `pooling` is none of these.
    """
    one_of("pooling", pooling, POOLINGS)
    if pooling == "first":
        return x[:, 0]
    inside = ops.expand_dims(mask, -1)
    x = ops.where(inside, x, 0.0)
    if pooling == "max":
        largest = ops.max(ops.where(inside, x, -6e4), axis=1)  # Lower overflows float16.
        return ops.where(ops.any(inside, axis=1), largest, 0.0)
    # A sum of many tokens in float16 would overflow.
    dtype = at_least_float32(x.dtype)
    weights = ops.cast(inside, dtype)
    if pooling == "attention":
        scores = keras.layers.Dense(
            1, use_bias=False, kernel_initializer="zeros", dtype=dtype, name=name
        )(x)
        # Their differences are what counts, and the largest may not overflow.
        scores = scores - ops.max(ops.where(inside, scores, -1e30), axis=1, keepdims=True)
        weights = weights * ops.exp(ops.minimum(scores, 0.0))
    total = ops.sum(weights * ops.cast(x, dtype), axis=1)
    return ops.cast(total / ops.maximum(ops.sum(weights, axis=1), 1e-9), x.dtype)
