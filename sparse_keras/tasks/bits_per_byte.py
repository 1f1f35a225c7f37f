"""BitsPerByte: what a language model needs to write down a text, whatever its tokens are."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from sparse_keras._internal.typing import Tensor
from sparse_keras.tasks.token_losses import token_losses


@keras.saving.register_keras_serializable(package="sparse_keras")
class BitsPerByte(keras.metrics.Metric):
    """Cross-entropy in bits, by the bytes of the text instead of its tokens; 0 is the best.

        bits per byte = - sum over tokens of log2 p(token) / sum over tokens of their bytes

    Unlike perplexity, it can be compared between models with different tokenizers.

    Args:
        token_bytes: The number of UTF-8 bytes of each token, by id; 0 for special tokens.
        from_logits: Whether predictions are logits, or else probabilities.
        ignore_class: Optional label that does not count, such as -100.
        name: Name of the metric.
        dtype: Its dtype.

    Example:

    >>> metric = sparse_keras.tasks.BitsPerByte([1, 2, 2, 3])
    >>> metric.update_state(np.array([[1, 2]]), np.zeros((1, 2, 4), "float32"))
    >>> float(metric.result())  # Two tokens of 2 bits, two bytes each.
    1.0

    Reference:
        [The Pile](https://arxiv.org/abs/2101.00027), section 3.1.
    """

    def __init__(
        self,
        token_bytes: Sequence[int],
        from_logits: bool = True,
        ignore_class: int | None = None,
        name: str = "bits_per_byte",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.token_bytes = [int(count) for count in token_bytes]
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self._direction = "down"
        self._bits, self._bytes = (
            self.add_weight(shape=(), initializer="zeros", name=of) for of in ("bits", "bytes")
        )
        self._sizes = np.array(self.token_bytes, "float32")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds tokens.

        Args:
            y_true: Int `[...]`, the ids of tokens.
            y_pred: `[..., V]`.
            sample_weight: Optional weights of the tokens, `[...]`.
        """
        losses, weights, tokens = token_losses(
            y_true, y_pred, sample_weight, self.from_logits, self.ignore_class
        )
        sizes = ops.take(ops.convert_to_tensor(self._sizes), tokens)
        self._bits.assign_add(ops.cast(ops.sum(losses * weights) / math.log(2), self.dtype))
        self._bytes.assign_add(ops.cast(ops.sum(sizes * weights), self.dtype))

    def result(self) -> Tensor:
        return ops.divide_no_nan(self._bits, self._bytes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "token_bytes": self.token_bytes,
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
        }
