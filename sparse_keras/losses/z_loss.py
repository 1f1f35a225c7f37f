"""The router z-loss, which keeps logits small."""

from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.losses.reductions import masked_mean


def router_z_loss(logits: Tensor, mask: Tensor | None = None) -> Tensor:
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
