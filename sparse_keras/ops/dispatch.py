"""Brings tokens to their experts and back: sort, capacity, dispatch, combine.

Nothing here is dense in E: no one-hot `[N, E, C]` tensor, no scatter-add. Dispatch and combine
are each other's transpose, so that both gradients are gathers as well.
"""

from keras import ops

from sparse_keras.ops import backend


def expert_capacity(capacity_factor, num_assignments, num_experts):
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


def sort_by_expert(expert_index, is_open, num_experts, capacity=None):
    """Plans the dispatch: sorts all assignments by expert.

    Within an expert, first choices come before second choices, and earlier tokens before later
    ones. With a capacity, the last ones in this order are dropped.

    Args:
        expert_index: Int `[N, K]`, values in `[0, E)`.
        is_open: Bool `[N, K]`. A closed assignment reaches no expert.
        num_experts: E.
        capacity: `None` (dropless), or a scalar integer: the most rows of one expert.

    Returns:
        The plan, a dict. `M'` is the number of rows in use where shapes may depend on data
        (TensorFlow outside XLA, PyTorch), and M otherwise.

        * `"group_sizes"`: int32 `[E]`, rows of each expert after dropping.
        * `"assignment"`: int32 `[M']`, the assignment `choice * N + token` in each row.
        * `"token"`: int32 `[M']`, the token in each row.
        * `"row"`: int32 `[K, N]`, the row of each assignment.
        * `"kept"`: bool `[K, N]`, whether the assignment is open and not dropped.
    """
    num_tokens = ops.shape(expert_index)[0]
    choices = expert_index.shape[1]
    # Choice-major, so that a stable sort puts first choices first. Closed assignments go to a
    # group of their own behind the last expert.
    expert = ops.where(is_open, ops.cast(expert_index, "int32"), num_experts)
    expert = ops.reshape(ops.transpose(expert), (-1,))
    assignment = ops.cast(ops.argsort(expert), "int32")
    sorted_expert = ops.take(expert, assignment)
    ends = ops.searchsorted(sorted_expert, ops.arange(num_experts, dtype="int32"), side="right")
    ends = ops.cast(ends, "int32")
    starts = ops.concatenate([ops.zeros((1,), "int32"), ends[:-1]])
    group_sizes = ends - starts

    slot = ops.arange(num_tokens * choices, dtype="int32")
    if capacity is not None:
        rank = slot - ops.take(starts, ops.minimum(sorted_expert, num_experts - 1))
        dropped = (rank >= capacity) | (sorted_expert == num_experts)
        assignment = ops.take(assignment, ops.argsort(ops.cast(dropped, "int32")))
        group_sizes = ops.minimum(group_sizes, capacity)

    total = ops.sum(group_sizes)
    row = ops.scatter(assignment[:, None], slot, (num_tokens * choices,))
    row = ops.reshape(row, (choices, num_tokens))
    kept = row < total
    # At least one row stays, so that a gather always has something to read.
    last = ops.maximum(total, 1)
    assignment = backend.truncate(assignment, last)
    return {
        "group_sizes": group_sizes,
        "assignment": assignment,
        "token": assignment % num_tokens,
        "row": ops.where(kept, row, 0),
        "kept": kept,
    }


def _to_rows(tokens, token, row, kept):
    """`[N, D]` to `[M', D]`: each row takes its token. The transpose of `_to_tokens`, but for rows
    that are not kept, which hold nothing of use on either side."""
    del row, kept
    return ops.take(tokens, token, axis=0)


def _to_tokens(rows, token, row, kept):
    """`[M', D]` to `[N, D]`: each token takes the sum of its rows."""
    del token
    taken = ops.take(rows, row, axis=0)
    return ops.sum(ops.where(kept[..., None], taken, ops.zeros_like(taken)), axis=0)


def dispatch(tokens, plan):
    """Copies each token to the rows of the experts that chose it.

    Args:
        tokens: `[N, D]`.
        plan: What `sort_by_expert` returned.

    Returns:
        `[M', D]`, rows sorted by expert.
    """
    return backend.linear_map(
        _to_rows, _to_tokens, tokens, plan["token"], plan["row"], plan["kept"]
    )


def combine(rows, plan, weight):
    """Brings the experts' outputs back: each token gets the weighted sum of its rows.

    Args:
        rows: `[M', B]`, the experts' outputs in the plan's order.
        plan: What `sort_by_expert` returned.
        weight: Float `[N, K]`.

    Returns:
        `[N, B]` with the dtype of `rows`. A token with no kept assignment gets zeros.
    """
    # A dropped assignment has no say in the output, so its weight gets no gradient either.
    weight = ops.where(plan["kept"], ops.transpose(weight), 0.0)
    row_weight = ops.take(ops.reshape(weight, (-1,)), plan["assignment"])
    row_weight = ops.cast(row_weight, rows.dtype)
    return backend.linear_map(
        _to_tokens, _to_rows, rows * row_weight[:, None], plan["token"], plan["row"], plan["kept"]
    )
