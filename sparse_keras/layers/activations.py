"""Activations that Keras has no name for."""

from typing import Any

import keras

from sparse_keras._internal.typing import Tensor


@keras.saving.register_keras_serializable(package="sparse_keras", name="gelu_tanh")
def gelu_tanh(x: Tensor) -> Tensor:
    """GELU, approximated by tanh: `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))`.

    GPT-2 was trained with it; the exact function, Keras's `"gelu"`, differs by up to 5e-4.

    Reference:
        [Gaussian Error Linear Units](https://arxiv.org/abs/1606.08415), section 2.
    """
    return keras.activations.gelu(x, approximate=True)


_OWN = {"gelu_tanh": gelu_tanh}


def get(identifier: Any) -> Any:
    """`keras.activations.get`, which also knows the names in this file."""
    if isinstance(identifier, str) and identifier in _OWN:
        return _OWN[identifier]
    return keras.activations.get(identifier)
