"""Tensor functions of sparse expert models. No layers, no state.

Axis letters, used in every comment and docstring of this library:

    N  tokens (batch and every other leading axis, flattened)
    D  model width, the last axis of a layer's input
    H  hidden width of an expert
    E  experts
    K  experts per token
    C  capacity: the most tokens one expert takes
    M  assignments, M = N * K: one row for each (token, chosen expert)

The path of a token:

    tokens [N, D] --router--> expert_index, weight [N, K]
                  --sort_by_expert--> plan (who sits in which row)
                  --dispatch--> rows [M, D], sorted by expert
                  --experts--> rows [M, B]
                  --combine--> outputs [N, B]
"""

from sparse_keras.ops.dispatch import (
    DispatchPlan,
    collect,
    combine,
    dispatch,
    expert_capacity,
    order_by_priority,
    order_by_score,
    sort_by_expert,
)
from sparse_keras.ops.grouped_matmul import group_rows, grouped_matmul
from sparse_keras.ops.groups import expand_groups

__all__ = [
    "DispatchPlan",
    "collect",
    "combine",
    "dispatch",
    "expand_groups",
    "expert_capacity",
    "group_rows",
    "grouped_matmul",
    "order_by_priority",
    "order_by_score",
    "sort_by_expert",
]
