"""`keras.ops.slice` from a start that depends on data, in a compiled graph."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    from tensorflow.compiler.tf2xla.python import xla

    def dynamic_slice(inputs, start_indices, shape):
        # XLA takes the start of `tf.slice` for a constant: it computes it before it compiles, which
        # is slow, and compiles anew for each other value.
        starts = ops.stack([ops.cast(start, "int32") for start in start_indices])
        return xla.dynamic_slice(inputs, starts, shape)

else:
    dynamic_slice = ops.slice
