"""The cross-entropy of each token and which tokens count, for metrics of language models."""

from typing import Any, NamedTuple

from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor


class TokenLosses(NamedTuple):
    """Cross-entropies in nats, weights (0 where a token does not count), and token ids: `[...]`."""

    losses: Tensor
    weights: Tensor
    tokens: Tensor


def token_losses(
    y_true: Any, y_pred: Any, sample_weight: Any, from_logits: bool, ignore_class: int | None
) -> TokenLosses:
    """Returns the loss and the weight of each token.

    Args:
        y_true: Int `[...]`, the ids of tokens.
        y_pred: `[..., V]`. Where its mask is False, a token does not count.
        sample_weight: Optional weights, `[...]`, or one for each row.
        from_logits: Whether predictions are logits, or else probabilities.
        ignore_class: Optional label that does not count.
    """
    mask: Tensor = keras_private.mask_of(y_pred)
    tokens = ops.cast(ops.convert_to_tensor(y_true), "int32")
    weights = ops.ones(ops.shape(tokens), "float32")
    if ignore_class is not None:
        counts = tokens != ignore_class
        weights = ops.cast(counts, "float32")
        tokens = ops.where(counts, tokens, 0)
    for given in (mask, sample_weight):
        if given is not None:
            given = ops.cast(ops.convert_to_tensor(given), "float32")
            if len(given.shape) < len(weights.shape):  # A weight for each row.
                given = ops.reshape(given, (-1, *(1 for _ in weights.shape[len(given.shape) :])))
            weights = weights * given
    y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")
    losses = ops.sparse_categorical_crossentropy(tokens, y_pred, from_logits=from_logits)
    return TokenLosses(losses, weights, tokens)
