"""The outputs of a network for arrays, without Keras's input pipeline."""

from sparse_keras.models.forward.forward import Forward

__all__ = ["Forward"]
