"""Perplexity: how many tokens a language model hesitates between."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal import keras_private
from sparse_keras._internal.typing import Tensor


@keras.saving.register_keras_serializable(package="sparse_keras")
class Perplexity(keras.metrics.Mean):
    """The exponential of the mean cross-entropy of tokens; 1 is the best.

        perplexity = exp( - mean over tokens of log p(token) )

    The mean is over all tokens seen since the last reset. Padding does not count, as the mask of
    the logits says. A model that gives all V tokens one probability has a perplexity of V. Bits
    per token are its base-2 logarithm.

    Args:
        from_logits: Whether predictions are logits, or else probabilities.
        ignore_class: Optional label that does not count, such as -100.
        name: Name of the metric.

    Example:

    >>> metric = sparse_keras.models.Perplexity(ignore_class=-100)
    >>> metric.update_state(np.array([[1, 3, -100]]), np.zeros((1, 3, 4), "float32"))
    >>> round(float(metric.result()), 4)
    4.0

    Reference:
        [Speech and Language Processing](https://web.stanford.edu/~jurafsky/slp3/), section 3.3.
    """

    def __init__(
        self,
        from_logits: bool = True,
        ignore_class: int | None = None,
        name: str = "perplexity",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self._direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds tokens.

        Args:
            y_true: Int `[...]`, the ids of tokens.
            y_pred: `[..., V]`.
            sample_weight: Optional weights of the tokens, `[...]`.
        """
        mask: Tensor = keras_private.mask_of(y_pred)
        y_true = ops.cast(ops.convert_to_tensor(y_true), "int32")
        weights = ops.ones(ops.shape(y_true), "float32")
        if self.ignore_class is not None:
            counts = y_true != self.ignore_class
            weights = ops.cast(counts, "float32")
            y_true = ops.where(counts, y_true, 0)
        for given in (mask, sample_weight):
            if given is not None:
                given = ops.cast(ops.convert_to_tensor(given), "float32")
                if len(given.shape) < len(weights.shape):  # A weight for each row.
                    given = ops.reshape(
                        given, (-1, *(1 for _ in weights.shape[len(given.shape) :]))
                    )
                weights = weights * given
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        losses = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=self.from_logits)
        super().update_state(losses, weights)

    def result(self) -> Tensor:
        return ops.exp(super().result())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
        }
