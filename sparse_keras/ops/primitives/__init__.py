"""What Keras lacks below the level of an operation, on every backend.

    exporting()
        whether a graph is being traced for `model.export`: it may hold only operations that other
        runtimes know too. False on JAX and PyTorch; see `check_export` in `ops.backend`

    python_loops()
        a context in which `keras.ops.while_loop` and its like run in Python outside of compiled
        functions, so that tensors have values inside

    linear_map(forward, transpose, x, *constants)
        forward(x, *constants), linear in x; its gradient is transpose(upstream, *constants)

    bilinear_map(forward, transpose_x, transpose_w, x, w, *constants)    (not on PyTorch)
        forward(x, w, *constants), linear in x and in w; its gradients are
        transpose_x(upstream, w, *constants) and transpose_w(upstream, x, *constants)

    dynamic_slice(inputs, start_indices, shape)    (not on PyTorch)
        keras.ops.slice, in a compiled graph and from a start that depends on data

    dynamic_update_slice(inputs, start_indices, updates)    (not on PyTorch)
        keras.ops.slice_update, the same way

    repeat(count, body, state)    (not on PyTorch)
        state = body(index, state) for each index below the int32 scalar `count`; has no gradient

    map_calls(function, xs, dtype)    (not on PyTorch)
        function(*(x[i] for x in xs)), of that dtype, for each i along the first axes, stacked;
        differentiable

x, w and the result each are a tensor or a tuple of tensors. Constants are arguments, not closures:
JAX refuses to differentiate a function with a gradient of its own that closes over values of the
trace it is differentiated in.
"""

import keras

if keras.backend.backend() == "tensorflow":
    from sparse_keras.ops.primitives import tensorflow_backend as backend
elif keras.backend.backend() == "jax":
    from sparse_keras.ops.primitives import jax_backend as backend
else:
    from sparse_keras.ops.primitives import torch_backend as backend

exporting = backend.exporting
python_loops = backend.python_loops
linear_map = backend.linear_map
if keras.backend.backend() != "torch":  # Nothing is static there.
    bilinear_map = backend.bilinear_map
    dynamic_slice = backend.dynamic_slice
    dynamic_update_slice = backend.dynamic_update_slice
    repeat = backend.repeat
    map_calls = backend.map_calls
