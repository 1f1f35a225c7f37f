"""Sums and means over tokens that leave padding out."""

from keras import ops

from sparse_keras._internal.typing import Tensor

# Far below any real score. Gradients divide by its square, which is a normal number of float32.
TINY = 1e-18


def normalized(scores: Tensor) -> Tensor:
    """Divides the scores `[N, E]` of each token by their sum; zeros stay zeros."""
    total = ops.sum(scores, axis=-1, keepdims=True)
    # Not divided by a tiny number: where all gates are closed, gradients would be huge, or NaN.
    return scores / ops.where(total > TINY, total, 1.0)


def token_count(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Returns N without padding, a float32 scalar.

    Args:
        values: `[N, ...]`.
        mask: Optional bool `[N]`, False for padding.
    """
    if mask is None:
        return ops.cast(ops.shape(values)[0], "float32")
    return ops.sum(ops.cast(mask, "float32"))


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Returns the mean of `values` `[N, ...]` over tokens; 0 if there are none but padding.

    Args:
        values: `[N, ...]`.
        mask: Optional bool `[N]`, False for padding.
    """
    tokens = ops.maximum(token_count(values, mask), 1.0)
    if mask is not None:
        valid = ops.reshape(mask, (-1,) + (1,) * (len(values.shape) - 1))
        # `where`, not a product: a NaN in padding must not reach the sum.
        values = ops.where(valid, values, ops.zeros_like(values))
    return ops.sum(values, axis=0) / tokens


def sum_by_expert(values: Tensor, expert_index: Tensor, num_experts: int | Tensor) -> Tensor:
    """Sums `values` `[N, K]` over the assignments of each expert: `[E]`."""
    return ops.segment_sum(
        ops.reshape(values, (-1,)), ops.reshape(expert_index, (-1,)), num_segments=num_experts
    )


def log(share: Tensor) -> Tensor:
    """The logarithm, with a finite value and gradient at 0."""
    return ops.log(ops.maximum(share, TINY))
