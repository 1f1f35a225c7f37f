"""Brings tokens to their experts and back: sort, capacity, dispatch, combine.

These are the tensor functions; `layers.mixtures.dispatcher` is how mixtures use them.

Nothing here is dense in E: there is no one-hot `[N, E, C]` tensor. Dispatch and combine are each
other's transpose. If a token has K open assignments, both are gathers, and so are both gradients; a
scatter-add takes longer. If most of the K are closed, as in a router that may open any of E
experts, rows are added up by token instead, and closed assignments cost nothing. (The order of the
additions is fixed on CPUs, and on GPUs if the framework is set to be deterministic.)
"""

import dataclasses
from typing import Any

import keras
from keras import ops

from sparse_keras.ops import backend
from sparse_keras.ops.primitives import exporting, linear_map


@dataclasses.dataclass(frozen=True)
class DispatchPlan:
    """Where each assignment goes: what `sort_by_expert` returns.

    `M'` is the number of rows in use where shapes may depend on data (TensorFlow outside XLA,
    PyTorch), and otherwise M, or `most_open` if that is less.

    Attributes:
        load: Int32 `[E]`, open assignments of each expert before any is dropped.
        group_sizes: Int32 `[E]`, rows of each expert after dropping.
        assignment: Int32 `[M']`, the assignment `choice * N + token` in each row.
        row: Int32 `[K, N]`, the row of each assignment.
        kept: Bool `[K, N]`, whether the assignment is open and not dropped; `None` if all are.
        adds_rows: Whether rows are added up by token. Otherwise each token gathers its own.
    """

    load: Any
    group_sizes: Any
    assignment: Any
    row: Any
    kept: Any
    adds_rows: bool


def expert_capacity(capacity_factor: float, num_assignments: Any, num_experts: int) -> Any:
    """`ceil(capacity_factor * assignments / E)`, the most assignments one expert takes.

    Args:
        capacity_factor: Float. At 1.0 a perfectly balanced load fills every expert exactly.
        num_assignments: Integer or scalar tensor, the open assignments of all tokens that are not
            padding; N * K for a top-k router.
        num_experts: E.

    Returns:
        Scalar int32 tensor.
    """
    # The product in float32 may end up a hair above the integer it stands for; without the margin
    # of four units in the last place, `ceil` would then grant one place too many.
    share = ops.cast(num_assignments, "float32") * (capacity_factor / num_experts)
    return ops.cast(ops.ceil(share * (1 - 2**-22)), "int32")


def order_by_score(scores: Any) -> Any:
    """The assignments in the order of their scores, the highest first.

    Args:
        scores: Float `[N, K]`, of each assignment.

    Returns:
        Int32 `[M]`, for `sort_by_expert`. Among equals, first choices come before second ones, and
        earlier tokens before later ones.
    """
    return ops.cast(ops.argsort(-ops.reshape(ops.transpose(scores), (-1,))), "int32")


def order_by_priority(priority: Any, choices: int) -> Any:
    """First choices before second ones, and among those the tokens of the highest priority first.

    Args:
        priority: Float `[N]`, of each token.
        choices: K.

    Returns:
        Int32 `[M]`, for `sort_by_expert`. Among equals, earlier tokens come before later ones.
    """
    tokens = ops.cast(ops.argsort(-priority), "int32")
    starts = ops.arange(choices, dtype="int32") * ops.cast(ops.shape(priority)[0], "int32")
    return ops.reshape(starts[:, None] + tokens[None], (-1,))


def sort_by_expert(
    expert_index: Any,
    is_open: Any,
    num_experts: int,
    capacity: Any = None,
    order: Any = None,
    few_open: bool = False,
    most_open: Any = None,
) -> DispatchPlan:
    """Plans the dispatch: sorts all assignments by expert.

    Within an expert, first choices come before second choices, and earlier tokens before later
    ones, unless `order` says otherwise. With a capacity, the last ones in this order are dropped.

    Args:
        expert_index: Int `[N, K]`, values in `[0, E)`.
        is_open: Bool `[N, K]`, or `None` if all are open. A closed assignment reaches no expert.
        num_experts: E.
        capacity: `None` (dropless), or a scalar integer: the most rows of one expert.
        order: Optional int32 `[M]`, the assignments, `choice * N + token`, in the order in which
            they take their places: `order_by_score(...)` or `order_by_priority(...)`.
        few_open: Whether to expect that few of the N * K assignments are open. It changes the
            speed only.
        most_open: Optional upper bound on the number of open assignments, an integer (a scalar
            if only a compiler knows it). It saves rows where shapes cannot depend on data.

    Returns:
        `DispatchPlan`.
    """
    num_tokens = ops.shape(expert_index)[0]
    choices = expert_index.shape[1]
    # Choice-major, so that a stable sort puts first choices first. Closed assignments go to a
    # group of their own behind the last expert.
    expert = ops.cast(expert_index, "int32")
    backend.check_export(expert)
    if is_open is not None:
        expert = ops.where(is_open, expert, num_experts)
    expert = ops.reshape(ops.transpose(expert), (-1,))
    if order is not None:
        expert = ops.take(expert, order)
    num_groups = num_experts if is_open is None else num_experts + 1
    assignment, sizes = backend.sort_groups(expert, num_groups)
    load = group_sizes = sizes[:num_experts]

    if capacity is not None:
        sorted_expert = ops.take(expert, assignment)
        starts = ops.cumsum(sizes) - sizes
        rank = ops.arange(num_tokens * choices, dtype="int32") - ops.take(starts, sorted_expert)
        dropped = (rank >= capacity) | (sorted_expert == num_experts)
        kept_first, _ = backend.sort_groups(ops.cast(dropped, "int32"), 2)
        assignment = ops.take(assignment, kept_first)
        group_sizes = ops.minimum(group_sizes, capacity)

    if order is not None:
        assignment = ops.take(order, assignment)
    row = ops.reshape(backend.invert_permutation(assignment), (choices, num_tokens))
    kept = None
    if is_open is not None or capacity is not None:
        total = ops.sum(group_sizes)
        kept = row < total
        row = ops.where(kept, row, 0)
        # At least one row stays, so that a gather always has something to read.
        assignment = backend.truncate(assignment, ops.maximum(total, 1), most_open)
    can_add = backend.shapes_follow_data() or most_open is not None
    # Of rows with the same index, the `ScatterND` of ONNX keeps the last.
    can_add = can_add and not exporting()
    return DispatchPlan(
        load=load,
        group_sizes=group_sizes,
        assignment=assignment,
        row=row,
        kept=kept,
        adds_rows=few_open and kept is not None and can_add,
    )


def dispatch(tokens: Any, plan: DispatchPlan) -> Any:
    """Copies each token to the rows of the experts that chose it.

    Args:
        tokens: `[N, D]`, or of any higher rank: whole examples `[N, ..., D]`.
        plan: What `sort_by_expert` returned.

    Returns:
        `[M', D]`, rows sorted by expert; of examples `[M', ..., D]`.
    """
    return linear_map(_take_tokens, _summing(plan), tokens, *_indices(plan))


def collect(rows: Any, plan: DispatchPlan) -> Any:
    """Brings the experts' outputs back without adding them up.

    Args:
        rows: `[M', B]`, the experts' outputs in the plan's order.
        plan: What `sort_by_expert` returned.

    Returns:
        `[K, N, B]`, the output of each assignment; zeros where it was not kept. No gradient may
        come from there.
    """
    return linear_map(_take_rows, _take_assignments, rows, *_indices(plan))


def combine(rows: Any, plan: DispatchPlan, weight: Any) -> Any:
    """Brings the experts' outputs back: each token gets the weighted sum of its rows.

    Args:
        rows: `[M', B]`, the experts' outputs in the plan's order; of examples `[M', ..., B]`.
        plan: What `sort_by_expert` returned.
        weight: Float `[N, K]`.

    Returns:
        `[N, B]`, or `[N, ..., B]`, with the dtype of `rows`. A token with no kept assignment gets
        zeros.
    """
    weight = ops.cast(ops.transpose(weight), rows.dtype)
    if plan.kept is not None:
        # Without it, a dropped assignment would send a gradient into a row of no expert.
        weight = ops.where(plan.kept, weight, ops.zeros_like(weight))
    if not plan.adds_rows:
        outputs = collect(rows, plan)
        return ops.sum(outputs * _of_rank(weight, outputs), axis=0)
    indices = _indices(plan)
    weight = linear_map(_take_assignments, _take_rows, weight, *indices)
    return linear_map(_summing(plan), _take_tokens, rows * _of_rank(weight, rows), *indices)


# Each of the following pairs is linear, and one the transpose of the other, but for rows that are
# not kept: those hold nothing of use on either side.


def _indices(plan):
    kept = () if plan.kept is None else (plan.kept,)
    return (plan.assignment, plan.row, *kept)


def _summing(plan):
    return _add_by_token if plan.adds_rows else _sum_by_token


def _of_rank(values, tensor):
    """`[K, N]` or `[M']` with axes of 1 behind, to go with a tensor of more axes."""
    more = len(tensor.shape) - len(values.shape)
    return ops.reshape(values, (*ops.shape(values), *(1 for _ in range(more))))


def _take_rows(rows, assignment, row, kept=None):
    """`[M', B]` to `[K, N, B]`: each assignment takes its row, or zeros if it was not kept."""
    del assignment
    taken = ops.take(rows, row, axis=0)
    if kept is None:
        return taken
    return ops.where(_of_rank(kept, taken), taken, ops.zeros_like(taken))


def _take_assignments(taken, assignment, row, kept=None):
    """`[K, N, B]` to `[M', B]`: each row takes its assignment."""
    del row, kept
    return ops.take(ops.reshape(taken, (-1, *ops.shape(taken)[2:])), assignment, axis=0)


def _take_tokens(tokens, assignment, row, kept=None):
    """`[N, D]` to `[M', D]`: each row takes its token."""
    del row, kept
    return ops.take(tokens, assignment % ops.shape(tokens)[0], axis=0)


def _sum_by_token(rows, assignment, row, kept=None):
    """`[M', D]` to `[N, D]`: each token takes the sum of its rows."""
    return ops.sum(_take_rows(rows, assignment, row, kept), axis=0)


def _add_by_token(rows, assignment, row, kept):
    """The same, row by row: it takes a pass over the rows, however large K is."""
    in_use = ops.take(ops.reshape(kept, (-1,)), assignment)
    dtype = keras.backend.standardize_dtype(rows.dtype)
    # Row by row, 16 bits would round the sum as often as there are rows.
    rows = ops.cast(rows, "float32" if dtype in ("bfloat16", "float16") else dtype)
    rows = ops.where(_of_rank(in_use, rows), rows, ops.zeros_like(rows))
    num_tokens = ops.shape(row)[1]
    return ops.cast(backend.add_rows(rows, assignment % num_tokens, num_tokens), dtype)
