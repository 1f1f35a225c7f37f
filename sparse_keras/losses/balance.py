"""Losses that push towards an equal load of all experts."""

import math

from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.losses.reductions import TINY, masked_mean, normalized, sum_by_expert


def expert_load(expert_index: Tensor, is_open: Tensor, num_experts: int) -> Tensor:
    """Counts the open assignments of each expert.

    Args:
        expert_index: Int `[N, K]`.
        is_open: Bool `[N, K]`.
        num_experts: E.

    Returns:
        Float32 `[E]`.
    """
    return sum_by_expert(ops.cast(is_open, "float32"), expert_index, num_experts)


def load_balance_loss(scores: Tensor, load: Tensor, mask: Tensor | None = None) -> Tensor:
    """Pushes the router towards an equal load: `E * sum_e f_e P_e`.

    `f_e` is the share of all assignments that went to expert e, `P_e` the mean share of the scores
    that it got. The value is 1.0 at perfect balance and E when one expert gets everything with
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


def sequence_balance_loss(
    scores: Tensor,
    expert_index: Tensor,
    is_open: Tensor,
    num_sequences: int | Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Pushes the router towards an equal load within each sequence, not only over the batch.

    It is the mean over sequences of the `load_balance_loss` of each: 1.0 if each is in perfect
    balance. Sequences of padding alone are left out. A short sequence counts as much as a long one.

    Args:
        scores: Non-negative float `[N, E]`, normalised here to sum to one for each token.
        expert_index: Int `[N, K]`.
        is_open: Bool `[N, K]`. Padding must be closed.
        num_sequences: Number of sequences. The N tokens are sequences of equal length, padding
            included, one after the other.
        mask: Optional bool `[N]`, False for padding.

    Returns:
        Float32 scalar.

    Reference:
        [DeepSeek-V2](https://arxiv.org/abs/2405.04434), equations 23 to 25;
        [DeepSeek-V3](https://arxiv.org/abs/2412.19437), equations 17 to 20.
    """
    num_experts = scores.shape[-1]
    # Sequences may have no tokens, and there may be none.
    length = ops.shape(scores)[0] // _at_least_1(num_sequences)
    counted = ops.ones_like(scores[:, 0]) if mask is None else ops.cast(mask, "float32")
    tokens = ops.sum(ops.reshape(counted, (num_sequences, length)), axis=1)
    share = normalized(scores)
    if mask is not None:
        share = ops.where(mask[:, None], share, 0.0)
    share = ops.sum(ops.reshape(share, (num_sequences, length, num_experts)), axis=1)
    mean_share = share / ops.maximum(tokens, 1.0)[:, None]

    sequence = ops.arange(ops.shape(scores)[0], dtype="int32") // _at_least_1(length)
    # One segment for each expert of each sequence.
    segment = sequence[:, None] * num_experts + ops.cast(expert_index, "int32")
    load = sum_by_expert(ops.cast(is_open, "float32"), segment, num_sequences * num_experts)
    load = ops.reshape(load, (num_sequences, num_experts))
    load_share = load / ops.maximum(ops.sum(load, axis=1, keepdims=True), 1.0)

    losses = num_experts * ops.sum(load_share * mean_share, axis=1)
    return masked_mean(losses, tokens > 0)


def importance_loss(weight: Tensor, expert_index: Tensor, num_experts: int) -> Tensor:
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


def load_loss(
    clean_logits: Tensor,
    noisy_logits: Tensor,
    noise_std: Tensor,
    k: int,
    mask: Tensor | None = None,
) -> Tensor:
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
        valid = mask[:, None]
        clean_logits = ops.where(valid, clean_logits, 0.0)
        noisy_logits = ops.where(valid, noisy_logits, 0.0)
        noise_std = ops.where(valid, noise_std, 1.0)
    best, _ = ops.top_k(noisy_logits, k + 1)
    with_it, without_it = best[:, k - 1 : k], best[:, k:]
    # Without one of the k best, the next moves up to be the k-th.
    kth = ops.where(ops.greater_equal(noisy_logits, with_it), without_it, with_it)
    z = (clean_logits - kth) / ops.maximum(noise_std, 1e-6)
    chosen = 0.5 * (1.0 + ops.erf(z / math.sqrt(2.0)))
    return _unevenness(masked_mean(chosen, mask))


def _at_least_1(count: int | Tensor) -> int | Tensor:
    return max(count, 1) if isinstance(count, int) else ops.maximum(count, 1)


def _unevenness(load: Tensor) -> Tensor:
    """1 + CV² of a load `[E]`: the mean of squares over the square of the mean."""
    return ops.mean(load**2) / ops.maximum(ops.mean(load) ** 2, TINY)
