"""pooled: one vector for a text, of those of its tokens."""

from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.layers.validation import one_of

POOLINGS = ("mean", "max", "first")


def pooled(x: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Pools the tokens of each text. Padding does not count, whatever it holds.

    Args:
        x: `[B, T, D]`.
        mask: Bool `[B, T]`, False for padding.
        pooling: `"mean"`; `"max"`, the largest value of each feature; or `"first"`, the vector of
            the first token, which has seen all others.

    Returns:
        `[B, D]`. Zeros for a text without tokens, but for `"first"`.

    Raises:
        ValueError: If `pooling` is none of these.
    """
    one_of("pooling", pooling, POOLINGS)
    if pooling == "first":
        return x[:, 0]
    inside = ops.expand_dims(mask, -1)
    if pooling == "mean":
        # A sum of many tokens in float16 would overflow.
        total = ops.sum(ops.cast(ops.where(inside, x, 0.0), "float32"), axis=1)
        count = ops.sum(ops.cast(inside, "float32"), axis=1)
        return ops.cast(total / ops.maximum(count, 1.0), x.dtype)
    largest = ops.max(ops.where(inside, x, -6e4), axis=1)  # Lower overflows float16.
    return ops.where(ops.any(inside, axis=1), largest, 0.0)
