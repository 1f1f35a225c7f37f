"""Sorting rows by group, for backends without a shorter way."""

from keras import ops


def by_argsort(group, num_groups):
    order = ops.cast(ops.argsort(group), "int32")
    groups = ops.arange(num_groups, dtype="int32")
    ends = ops.cast(ops.searchsorted(ops.take(group, order), groups, side="right"), "int32")
    return order, ends - ops.concatenate([ops.zeros((1,), "int32"), ends[:-1]])


def invert_permutation(permutation):
    size = ops.shape(permutation)[0]
    return ops.scatter(permutation[:, None], ops.arange(size, dtype="int32"), (size,))
