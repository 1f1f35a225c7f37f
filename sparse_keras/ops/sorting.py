"""Sorting rows by group, for backends without a shorter way; see `sort_groups` in `backend`."""

from typing import Any

from keras import ops


def by_argsort(group: Any, num_groups: int) -> tuple[Any, Any]:
    order = ops.cast(ops.argsort(group), "int32")
    groups = ops.arange(num_groups, dtype="int32")
    ends = ops.cast(ops.searchsorted(ops.take(group, order), groups, side="right"), "int32")
    return order, ends - ops.concatenate([ops.zeros((1,), "int32"), ends[:-1]])


def by_counting(group: Any, num_groups: int) -> tuple[Any, Any]:
    """Sorts without a sort, by operations that every runtime knows: the row of each place is the
    start of its group and the number of members before it. It takes a pass over `[M, E]`."""
    groups = ops.arange(num_groups, dtype="int32")
    member = ops.cast(ops.expand_dims(group, 1) == groups, "int32")
    sizes = ops.sum(member, axis=0)
    places = ops.cumsum(sizes) - sizes + ops.cumsum(member, axis=0) - 1
    return invert_permutation(ops.sum(places * member, axis=1)), sizes


def invert_permutation(permutation: Any) -> Any:
    size = ops.shape(permutation)[0]
    return ops.scatter(permutation[:, None], ops.arange(size, dtype="int32"), (size,))
