"""Auxiliary losses of routers.

All are computed in float32 over the tokens that are not padding, for one layer: pooled over layers,
opposite imbalances would cancel. None is weighted here; the weights live on the routers.

The losses that push towards balance are 1.0 at perfect balance: `load_balance_loss` (over the
batch), `sequence_balance_loss` (within each sequence), `importance_loss`, `load_loss` and
`mean_entropy_loss`. `router_z_loss` and `token_entropy_loss` are about something else.
"""

import math

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
    mean_share = masked_mean(normalized(scores), mask)
    load_share = load / ops.maximum(ops.sum(load), 1.0)
    return num_experts * ops.sum(load_share * mean_share)


def sequence_balance_loss(scores, expert_index, is_open, num_sequences, mask=None):
    """Pushes the router towards an equal load within each sequence, not only over the batch.

    The `load_balance_loss` of each sequence by itself, and the mean over sequences: 1.0 if each is
    in perfect balance. A sequence without a token that is not padding does not count, and a short
    one counts as much as a long one.

    Args:
        scores: Non-negative float `[N, E]`, normalised here to sum to one for each token.
        expert_index: Int `[N, K]`.
        is_open: Bool `[N, K]`. Padding must be closed.
        num_sequences: How many sequences of equal length, padding included, the N tokens are, one
            after the other.
        mask: Optional bool `[N]`, False for padding.

    Returns:
        Float32 scalar.

    Reference:
        [DeepSeek-V2](https://arxiv.org/abs/2405.04434), equations 23 to 25;
        [DeepSeek-V3](https://arxiv.org/abs/2412.19437), equations 17 to 20.
    """
    num_experts = scores.shape[-1]
    ones = ops.ones_like(scores[:, 0])
    kept = ones if mask is None else ops.cast(mask, "float32")
    tokens = ops.sum(ops.reshape(kept, (num_sequences, -1)), axis=1)
    share = normalized(scores)
    if mask is not None:
        share = ops.where(mask[:, None], share, 0.0)
    share = ops.sum(ops.reshape(share, (num_sequences, -1, num_experts)), axis=1)
    mean_share = share / ops.maximum(tokens, 1.0)[:, None]

    length = ops.shape(scores)[0] // num_sequences
    sequence = ops.arange(ops.shape(scores)[0], dtype="int32") // length
    # One segment for each expert of each sequence.
    segment = sequence[:, None] * num_experts + ops.cast(expert_index, "int32")
    load = sum_by_expert(ops.cast(is_open, "float32"), segment, num_sequences * num_experts)
    load = ops.reshape(load, (num_sequences, num_experts))
    load_share = load / ops.maximum(ops.sum(load, axis=1, keepdims=True), 1.0)

    of_sequence = num_experts * ops.sum(load_share * mean_share, axis=1)
    return masked_mean(of_sequence, tokens > 0)


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
    """Pushes the experts' summed weights towards each other: 1 + CV².

    CV is the coefficient of variation, the paper's loss its square. With the constant, the value
    is 1.0 when every expert gets the same total weight, and E when one gets everything.

    Args:
        weight: Float `[N, K]`, 0 in closed slots.
        expert_index: Int `[N, K]`.
        num_experts: E.

    Returns:
        Float32 scalar.

    Reference:
        [Outrageously Large Neural Networks, equations 6 and 7](https://arxiv.org/abs/1701.06538).
    """
    return _unevenness(sum_by_expert(weight, expert_index, num_experts))


def load_loss(clean_logits, noisy_logits, noise_std, k, mask=None):
    """Pushes towards an equal load where the choice is noisy: 1 + CV² of a smooth load.

    A count of tokens has no gradient. The probability that expert e would be among the k best of a
    token if its own noise were drawn anew has one, and its sum over tokens estimates the load:

        load_e = sum over tokens of Phi((clean_e - kth_e) / noise_std_e)

    `kth_e` is the k-th highest of the token's other noisy logits, Phi the normal distribution.
    CV is the coefficient of variation of the load, the paper's loss its square. With the
    constant, the value is 1.0 at perfect balance, and at most E / k.

    Args:
        clean_logits: Float `[N, E]`, without noise.
        noisy_logits: Float `[N, E]`, by which the k experts were chosen.
        noise_std: Positive float `[N, E]`, standard deviations of the noise.
        k: K, experts per token, less than E: with all of them there is nothing to balance.
        mask: Optional bool `[N]`, False for padding.

    Returns:
        Float32 scalar.

    Raises:
        ValueError: If k is not less than E.

    Reference:
        [Outrageously Large Neural Networks, equations 8 to 11](https://arxiv.org/abs/1701.06538).
    """
    num_experts = clean_logits.shape[-1]
    if not 1 <= k < num_experts:
        raise ValueError(
            "`load_loss` needs 1 <= k < number of experts: where all are chosen, the load is equal "
            f"whatever the router does. Received: k={k}, number of experts {num_experts}."
        )
    if mask is not None:  # A NaN in padding must not reach the gradient.
        kept = mask[:, None]
        clean_logits = ops.where(kept, clean_logits, 0.0)
        noisy_logits = ops.where(kept, noisy_logits, 0.0)
        noise_std = ops.where(kept, noise_std, 1.0)
    best, _ = ops.top_k(noisy_logits, k + 1)
    with_it, without_it = best[:, k - 1 : k], best[:, k:]
    # Without one of the k best, the next moves up to be the k-th.
    kth = ops.where(ops.greater_equal(noisy_logits, with_it), without_it, with_it)
    z = (clean_logits - kth) / ops.maximum(noise_std, 1e-6)
    chosen = 0.5 * (1.0 + ops.erf(z / math.sqrt(2.0)))
    return _unevenness(masked_mean(chosen, mask))


def mean_entropy_loss(scores, mask=None):
    """Pushes the mean distribution over experts towards the uniform one: `1 + log E - H(P)`.

    `P_e` is the mean share of the scores that expert e got, H the entropy in nats. The value is 1.0
    if P is uniform and 1 + log E if one expert gets everything. Up to the constant it is the
    "global" entropy loss of LIMoE, and the divergence of P from the uniform distribution.

    Args:
        scores: Non-negative float `[N, E]`, normalised here to sum to one for each token.
        mask: Optional bool `[N]`, False for padding.

    Returns:
        Float32 scalar.

    Reference:
        [LIMoE](https://arxiv.org/abs/2206.02770), on entropy losses.
    """
    num_experts = scores.shape[-1]
    mean_share = masked_mean(normalized(scores), mask)
    # As a sum over P it is 0 where all tokens are padding, like the other losses.
    return ops.sum(mean_share * (1.0 + math.log(num_experts) + _log(mean_share)))


def token_entropy_loss(scores, mask=None):
    """Pushes each token towards few experts: the mean entropy of its scores, over log E.

    1.0 if every expert scores the same for every token, 0.0 if one gets everything. It is no
    balance loss: alone, it drives towards collapse. Up to the factor it is the "local" entropy loss
    of LIMoE, to be used beside a loss that balances, such as `mean_entropy_loss`.

    Args:
        scores: Non-negative float `[N, E]`, normalised here to sum to one for each token.
        mask: Optional bool `[N]`, False for padding.

    Returns:
        Float32 scalar.

    Reference:
        [LIMoE](https://arxiv.org/abs/2206.02770), on entropy losses.
    """
    # With one expert the entropy is 0, not 0 / 0.
    return masked_mean(token_entropy(scores), mask) / math.log(max(scores.shape[-1], 2))


def token_entropy(scores):
    """Entropy of each token's normalised scores, in nats: float32 `[N]`."""
    share = normalized(scores)
    return -ops.sum(share * _log(share), axis=-1)


def normalized(scores):
    """Scores `[N, E]` that sum to one for each token; zeros stay zeros."""
    total = ops.sum(scores, axis=-1, keepdims=True)
    # Not divided by a tiny number: where all gates are closed, gradients would be huge, or NaN.
    return scores / ops.where(total > _TINY, total, 1.0)


def token_count(values, mask=None):
    """N without padding, a float32 scalar of at least 1, for `values` `[N, ...]`."""
    if mask is None:
        tokens = ops.cast(ops.shape(values)[0], "float32")
    else:
        tokens = ops.sum(ops.cast(mask, "float32"))
    return ops.maximum(tokens, 1.0)


# Far below any real score. Gradients divide by its square, which is a normal number of float32.
_TINY = 1e-18


def _log(share):
    return ops.log(ops.maximum(share, _TINY))


def _unevenness(load):
    """1 + CV² of a load `[E]`: the mean of squares over the square of the mean."""
    return ops.mean(load**2) / ops.maximum(ops.mean(load) ** 2, _TINY)


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
