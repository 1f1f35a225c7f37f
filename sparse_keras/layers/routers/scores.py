"""Scores of experts: what a token's logits say about each expert, before any is chosen."""

from keras import ops

from sparse_keras._internal.typing import Tensor


def sqrt_softplus(logits: Tensor) -> Tensor:
    """`sqrt(log(1 + exp(z)))`: as sigmoid, it tells experts apart without a softmax's competition;
    unlike it, it does not saturate."""
    # Far below 0 the softplus rounds to 0, where a square root has no finite slope.
    return ops.sqrt(ops.maximum(ops.softplus(logits), 1e-30))


SCORES = {
    "softmax": lambda logits: ops.softmax(logits, axis=-1),
    "sigmoid": ops.sigmoid,
    "sqrt_softplus": sqrt_softplus,
    "identity": lambda logits: logits,
}


def within_best_groups(
    selection: Tensor, num_groups: int, groups_kept: int, group_score: str
) -> Tensor:
    """Minus infinity for the experts outside the groups that score highest.

    Neighbouring experts form a group, as they would share a device.

    Args:
        selection: Float `[N, E]`, what experts are chosen by.
        num_groups: Divides E.
        groups_kept: Groups of each token.
        group_score: What a group scores: `"max"` of its experts, or `"top2_sum"`, the sum of its
            best two.

    Returns:
        Float `[N, E]`.
    """
    num_experts = selection.shape[-1]
    groups = ops.reshape(selection, (-1, num_groups, num_experts // num_groups))
    if group_score == "max":
        scores = ops.max(groups, axis=-1)
    else:
        scores = ops.sum(ops.top_k(groups, 2)[0], axis=-1)
    _, kept = ops.top_k(scores, groups_kept)
    is_kept = ops.any(ops.equal(kept[:, :, None], ops.arange(num_groups, dtype=kept.dtype)), axis=1)
    groups = ops.where(is_kept[:, :, None], groups, float("-inf"))
    return ops.reshape(groups, (-1, num_experts))
