"""PyTorch: a loop of matmuls over unbound weights; autograd does the rest.

`w.unbind(0)` has one gradient for the whole bank; `w[e]` would make a full-size one per expert.
"""

import torch

from sparse_keras.ops import sorting
from sparse_keras.ops.grouped_rows import GroupedRows


def truncate(rows, count):
    return rows[: int(count)]


class SortedRows(GroupedRows):
    """Rows sorted by group, in one tensor."""

    def __init__(self, rows, sizes):
        super().__init__(len(sizes) - 1)
        self.rows = rows
        self.sizes = sizes  # Of each group, and the number of rows in no group.

    @classmethod
    def of(cls, rows, group_sizes):
        sizes = group_sizes.tolist()
        return cls(rows, [*sizes, rows.shape[0] - sum(sizes)])

    def _like(self, rows):
        return SortedRows(rows, self.sizes)

    @property
    def width(self):
        return self.rows.shape[1]

    def _matmul(self, w):
        *slices, _ = torch.split(self.rows, self.sizes)
        products = [rows @ matrix for rows, matrix in zip(slices, w.unbind(0), strict=True)]
        return self._like(torch.cat([*products, self.rows.new_zeros(self.sizes[-1], w.shape[2])]))

    def _add(self, vectors):
        *slices, rest = torch.split(self.rows, self.sizes)
        sums = [rows + vector for rows, vector in zip(slices, vectors.unbind(0), strict=True)]
        return self._like(torch.cat([*sums, rest]))

    def map(self, function, *others):
        return self._like(function(self.rows, *(other.rows for other in others)))

    map_whole = map

    def join(self):
        return self.rows


group_rows = SortedRows.of
sort_groups = sorting.by_argsort
invert_permutation = sorting.invert_permutation
