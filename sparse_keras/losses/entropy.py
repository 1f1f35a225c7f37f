"""Losses on the entropy of scores: of the batch's mean, which balances, and of each token."""

import math

from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.losses.reductions import log, masked_mean, normalized


def mean_entropy_loss(scores: Tensor, mask: Tensor | None = None) -> Tensor:
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
    return ops.sum(mean_share * (1.0 + math.log(num_experts) + log(mean_share)))


def token_entropy_loss(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Pushes each token towards few experts: the mean entropy of its scores, divided by log E.

    The value is 1.0 if every expert scores the same for every token, and 0.0 if one gets
    everything. It does not balance: alone, it drives towards collapse. Use it together with a loss
    that balances, such as `mean_entropy_loss`. Up to the factor it is the "local" entropy loss of
    LIMoE.

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


def token_entropy(scores: Tensor) -> Tensor:
    """Returns the entropy of each token's normalised scores, in nats: float32 `[N]`."""
    share = normalized(scores)
    return -ops.sum(share * log(share), axis=-1)
