"""Auxiliary losses of routers.

All are computed in float32 over the tokens that are not padding, for one layer: pooled over layers,
opposite imbalances would cancel. None is weighted here; the weights live on the routers.
"""

from keras import ops


def expert_load(expert_index, is_open, num_experts):
    """Counts the open assignments of each expert.

    Args:
        expert_index: Int `[N, K]`.
        is_open: Bool `[N, K]`.
        num_experts: E.

    Returns:
        Float32 `[E]`.
    """
    return sum_by_expert(ops.cast(is_open, "float32"), expert_index, num_experts)


def load_balance_loss(scores, load, mask=None):
    """Pushes the router towards an equal load: `E * sum_e f_e P_e`.

    `f_e` is the share of all assignments that went to expert e, `P_e` the mean share of the scores
    it got. The value is 1.0 at perfect balance and E when one expert gets everything with
    certainty. Only `P` carries a gradient.

    Args:
        scores: Non-negative float `[N, E]`, normalised here to sum to one for each token.
        load: Float `[E]`, assignments of each expert, from `expert_load`.
        mask: Optional bool `[N]`, False for padding.

    Returns:
        Float32 scalar.

    Reference:
        [Switch Transformers, equations 4 to 6](https://arxiv.org/abs/2101.03961), with f divided by
        the number of choices.
    """
    num_experts = scores.shape[-1]
    total = ops.sum(scores, axis=-1, keepdims=True)
    share = scores / ops.maximum(total, _TINY)
    mean_share = masked_mean(share, mask)
    load_share = load / ops.maximum(ops.sum(load), 1.0)
    return num_experts * ops.sum(load_share * mean_share)


def router_z_loss(logits, mask=None):
    """Keeps router logits small: the mean of `logsumexp(logits) ** 2`.

    Args:
        logits: Float `[N, E]`.
        mask: Optional bool `[N]`, False for padding.

    Returns:
        Float32 scalar.

    Reference:
        [ST-MoE, equation 5](https://arxiv.org/abs/2202.08906).
    """
    return masked_mean(ops.logsumexp(logits, axis=-1) ** 2, mask)


def importance_loss(weight, expert_index, num_experts):
    """The squared coefficient of variation of the experts' summed weights.

    0.0 when every expert gets the same total weight. Closed slots must have weight 0.

    Args:
        weight: Float `[N, K]`.
        expert_index: Int `[N, K]`.
        num_experts: E.

    Returns:
        Float32 scalar.

    Reference:
        [Outrageously Large Neural Networks, equations 6 and 7](https://arxiv.org/abs/1701.06538).
    """
    importance = sum_by_expert(weight, expert_index, num_experts)
    mean = ops.mean(importance)
    return ops.mean((importance - mean) ** 2) / ops.maximum(mean**2, _TINY)


def token_count(values, mask=None):
    """N without padding, a float32 scalar of at least 1, for `values` `[N, ...]`."""
    if mask is None:
        tokens = ops.cast(ops.shape(values)[0], "float32")
    else:
        tokens = ops.sum(ops.cast(mask, "float32"))
    return ops.maximum(tokens, 1.0)


_TINY = 1e-20  # Far below any real score, far above float32's smallest normal number.


def sum_by_expert(values, expert_index, num_experts):
    """Sums `values` `[N, K]` over the assignments of each expert: `[E]`."""
    return ops.segment_sum(
        ops.reshape(values, (-1,)), ops.reshape(expert_index, (-1,)), num_segments=num_experts
    )


def masked_mean(values, mask):
    """The mean over tokens, 0 when all are padding."""
    if mask is None:
        return ops.sum(values, axis=0) / token_count(values)
    kept = ops.reshape(mask, (-1,) + (1,) * (len(values.shape) - 1))
    # `where`, not a product: a NaN in padding must not reach the sum.
    total = ops.sum(ops.where(kept, values, ops.zeros_like(values)), axis=0)
    return total / token_count(values, mask)
