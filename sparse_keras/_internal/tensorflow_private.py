"""Every name inside TensorFlow that this package needs: what XLA has but `tf` has not.

A name in `tensorflow.python` or `tensorflow.compiler` may move with any release of TensorFlow. So
the package uses such names in this file only; `tests/_internal/test_tensorflow_private.py` finds
others, and has a test for each function here that says what breaks when its name moves. Prefer a
public name where there is one. Written for TensorFlow 2.18 to 2.21.
"""

from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.ops import control_flow_util


def compiles_with_xla() -> bool:
    """Whether the graph that is being traced is one that XLA will compile.

    XLA needs static shapes, so that experts are computed in another way there. Keras traces a
    `fit` with `jit_compile=True` in such a context, also with `steps_per_execution`.
    """
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def dynamic_slice(inputs: Any, start_indices: Any, shape: tuple[int, ...]) -> tf.Tensor:
    """Slices from a start that depends on data, in a graph that XLA compiles.

    XLA takes the start of `tf.slice` for a constant: it computes it before it compiles, which is
    slow, and compiles again for each other value.

    Args:
        inputs: Tensor of rank R.
        start_indices: Int32 `[R]`.
        shape: Shape of the slice.
    """
    return xla.dynamic_slice(inputs, start_indices, shape)


def dynamic_update_slice(inputs: Any, updates: Any, start_indices: Any) -> tf.Tensor:
    """Returns the inputs with a slice replaced; `start_indices` as in `dynamic_slice`."""
    return xla.dynamic_update_slice(inputs, updates, start_indices)
