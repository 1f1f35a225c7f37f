"""Chooses the functions written for the Keras backend in use.

Each `*_backend.py` file beside this one offers the same three functions:

    grouped_matmul(x, w, group_sizes)       values and gradients
    linear_map(forward, transpose, x, *constants)
                                            forward(x, *constants), whose gradient is
                                            transpose(upstream, *constants)
    truncate(rows, count)                   rows[:count] where shapes may depend on data, else rows
"""

import keras

if keras.backend.backend() == "tensorflow":
    from sparse_keras.ops import tensorflow_backend as backend
elif keras.backend.backend() == "jax":
    from sparse_keras.ops import jax_backend as backend
elif keras.backend.backend() == "torch":
    from sparse_keras.ops import torch_backend as backend
else:
    raise ImportError(
        "sparse_keras runs on the Keras backends 'tensorflow', 'jax' and 'torch'. "
        f"Received: KERAS_BACKEND={keras.backend.backend()!r}."
    )

grouped_matmul = backend.grouped_matmul
linear_map = backend.linear_map
truncate = backend.truncate
