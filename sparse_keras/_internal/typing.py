"""Types for annotations."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the backend in use, or what Keras makes one of: an array, or a `keras.Variable`."""
