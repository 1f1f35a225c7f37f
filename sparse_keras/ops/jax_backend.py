"""JAX: static shapes, with the same room for every group.

`jax.lax.ragged_dot` is not used: on CPU it computes every group for every row.
"""

from functools import partial

import jax
import numpy as np

from sparse_keras._internal.exporting import refuse_portable
from sparse_keras.ops import group_calls, sorting
from sparse_keras.ops.padded_rows import PaddedRows
from sparse_keras.ops.primitives import map_calls


def shapes_follow_data():
    return False  # Not under `jit`.


def check_export(tensor):
    """Raises a ValueError if a compiled function is traced for a portable format."""
    if isinstance(tensor, jax.core.Tracer):
        refuse_portable("jax")


def truncate(rows, count, most=None):
    del count
    return rows if most is None else rows[: max(most, 1)]


def add_rows(rows, index, count):
    return jax.ops.segment_sum(rows, index, count)


def concrete(tensor):
    # Of a gradient that is computed step by step, a tracer knows the value.
    while isinstance(tensor, jax.core.Tracer):
        tensor = getattr(tensor, "primal", None)
    return None if tensor is None else np.asarray(tensor)


group_rows = PaddedRows.of
sort_groups = sorting.by_argsort
invert_permutation = sorting.invert_permutation
map_groups = group_calls.never_empty(partial(group_calls.in_blocks, map_calls))
