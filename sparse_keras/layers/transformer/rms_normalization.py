"""RMSNormalization: Keras's layer, for models with masks."""

from typing import Any

import keras

from sparse_keras.layers.validation import number


@keras.saving.register_keras_serializable(package="sparse_keras")
class RMSNormalization(keras.layers.RMSNormalization):
    """`keras.layers.RMSNormalization` of the last axis that passes masks on.

        y = x / sqrt(mean(x ** 2) + epsilon) * scale

    Keras's layer ends a mask. After the last block of a language model, padding would then count in
    the loss.

    Args:
        epsilon: A small number that keeps the division from one by zero.

    Call arguments:
        inputs: `[..., D]`.

    Output shape:
        That of the inputs. A mask is passed on.

    Example:

    >>> layer = sparse_keras.layers.RMSNormalization()
    >>> layer(np.ones((2, 5, 64), "float32")).shape
    TensorShape([2, 5, 64])

    Reference:
        [Root Mean Square Layer Normalization](https://arxiv.org/abs/1910.07467).
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(axis=-1, epsilon=number("epsilon", epsilon, "(0, inf)"), **kwargs)
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("axis")
        return config
