"""Scores of experts by a token's logits, and the choice of groups of experts by scores."""

from keras import ops

from sparse_keras._internal.typing import Tensor


def sqrt_softplus(logits: Tensor) -> Tensor:
    """Returns `sqrt(log(1 + exp(z)))`.

    As with a sigmoid, experts do not compete as in a softmax. Unlike it, it does not saturate.
    """
    # Far below 0 the softplus rounds to 0, where a square root has no finite slope.
    return ops.sqrt(ops.maximum(ops.softplus(logits), 1e-30))


def largest(values: Tensor) -> Tensor:
    """Returns the largest value of each row, over the last axis: `[...]`.

    `ops.max` refuses an empty batch, or on PyTorch loses its shape.
    """
    return ops.squeeze(ops.top_k(values, 1)[0], axis=-1)


SCORES = {
    "softmax": lambda logits: ops.softmax(logits, axis=-1),
    "sigmoid": ops.sigmoid,
    "sqrt_softplus": sqrt_softplus,
    "identity": lambda logits: logits,
}


def within_best_groups(
    selection: Tensor, num_groups: int, groups_kept: int, group_score: str
) -> Tensor:
    """Sets the selection scores of experts outside the best groups to minus infinity.

    Neighbouring experts form a group, as they would share a device.

    Args:
        selection: Float `[N, E]`, what experts are chosen by.
        num_groups: Divides E.
        groups_kept: Groups of each token.
        group_score: Score of a group: `"max"`, that of its best expert, or `"top2_sum"`, the sum of
            its best two.

    Returns:
        Float `[N, E]`.
    """
    num_experts = selection.shape[-1]
    groups = ops.reshape(selection, (-1, num_groups, num_experts // num_groups))
    if group_score == "max":
        scores = largest(groups)
    else:
        scores = ops.sum(ops.top_k(groups, 2)[0], axis=-1)
    _, best = ops.top_k(scores, groups_kept)
    is_best = ops.any(ops.equal(best[:, :, None], ops.arange(num_groups, dtype=best.dtype)), axis=1)
    groups = ops.where(is_best[:, :, None], groups, float("-inf"))
    return ops.reshape(groups, (-1, num_experts))
