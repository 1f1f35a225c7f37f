"""Chooses the functions written for the Keras backend in use.

Each `*_backend.py` file beside this one offers the same functions:

    group_rows(rows, group_sizes)           GroupedRows
    shapes_follow_data()                    whether shapes may depend on data here
    check_export(tensor)                    raises a ValueError if the function that is traced with
                                            the tensor is to be exported, and cannot be
    truncate(rows, count, most)             rows[:count] if so; else rows[:most], one at least, or
                                            all if most is None
    add_rows(rows, index, count)            [count, ...], the sum of the rows [M, ...] of each index
    sort_groups(group, num_groups)          the rows in the order of their groups (stable), int32
                                            [M], and the size of each group, int32 [num_groups]
    invert_permutation(permutation)         int32 [M]
    concrete(tensor)                        its values, a NumPy array; None while tracing, when it
                                            has none
    map_groups(function, rows, weights, group_sizes, constants, draw, dtype)
                                            what a function makes of the rows of each group, float
                                            [M, ...], zero for rows in no group; differentiable in
                                            rows and weights. See `group_calls`.

        function(rows [m, ...], weights, constants[, drawn]) -> [m, ...], the weights being those of
        the group; it computes each row on its own.
        rows [M, ...]; weights, a list of [E, ...]; group_sizes int [E].
        constants: a list of [M, ...] that go with the rows and need no gradient.
        draw: draw(count) -> [count, ...], of which each call gets one; or None.
        dtype: that of what the function returns.
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

group_rows = backend.group_rows
shapes_follow_data = backend.shapes_follow_data
check_export = backend.check_export
truncate = backend.truncate
add_rows = backend.add_rows
sort_groups = backend.sort_groups
invert_permutation = backend.invert_permutation
concrete = backend.concrete
map_groups = backend.map_groups
