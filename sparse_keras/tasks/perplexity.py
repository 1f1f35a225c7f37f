"""Perplexity: how many tokens a language model hesitates between."""

from typing import Any

import keras
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.tasks.token_losses import token_losses


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

    >>> metric = sparse_keras.tasks.Perplexity(ignore_class=-100)
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
        losses, weights, _ = token_losses(
            y_true, y_pred, sample_weight, self.from_logits, self.ignore_class
        )
        super().update_state(losses, weights)

    def result(self) -> Tensor:
        return ops.exp(super().result())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
        }
