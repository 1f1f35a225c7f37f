"""GroupedRows: rows sorted by group, in the form that a backend computes best with."""

from keras import ops


class GroupedRows:
    """Rows sorted by group, from `group_rows` to `join`.

    Between the two a bank computes all its layers, without bringing the rows back into one tensor.
    Rows in no group hold nothing of use after `add` or `map`.

    Each form of it (slices, padded rows, one tensor) writes `width`, `_matmul`, `_add`, `map`,
    `map_whole` and `join`.

    Args:
        num_groups: E.
    """

    def __init__(self, num_groups):
        self.num_groups = num_groups

    @property
    def width(self):
        """A, the width of a row."""
        raise NotImplementedError

    def matmul(self, w):
        """Each row times the matrix of its group, `w` `[E, A, B]`. Differentiable in both.

        Raises:
            ValueError: If `w` has another number of groups, or does not fit the width of the rows.
        """
        if w.shape[0] != self.num_groups:
            raise ValueError(
                "A grouped matmul needs one group size for each matrix. Received: group_sizes of "
                f"shape {(self.num_groups,)}, matrices of shape {tuple(w.shape)}."
            )
        if self.width not in (None, w.shape[1]):
            raise ValueError(
                "A grouped matmul needs rows as wide as the matrices are high. Received: rows of "
                f"width {self.width}, matrices of shape {tuple(w.shape)}."
            )
        return self._matmul(ops.convert_to_tensor(w))

    def _matmul(self, w):
        raise NotImplementedError

    def add(self, vectors):
        """Each row plus the vector of its group, `vectors` `[E, A]`. Differentiable in both.

        Raises:
            ValueError: If `vectors` has another shape.
        """
        if vectors.shape[0] != self.num_groups or self.width not in (None, vectors.shape[1]):
            raise ValueError(
                "Grouped rows need one vector of their width for each group. Received: "
                f"group_sizes of shape {(self.num_groups,)}, rows of width {self.width}, vectors "
                f"of shape {tuple(vectors.shape)}."
            )
        return self._add(ops.convert_to_tensor(vectors))

    def _add(self, vectors):
        raise NotImplementedError

    def map(self, function, *others):
        """`function(rows, *others)`, rows `[m, A]`, which computes each row on its own.

        It may be called several times, each with a part of the rows, and with rows of no group,
        whose values may be anything that a bias of a group is: there it must be finite, and its
        derivative.
        """
        raise NotImplementedError

    def map_whole(self, function):
        """The same, with one call: for functions with a random state."""
        raise NotImplementedError

    def join(self):
        """The rows as one tensor `[M, A]`."""
        raise NotImplementedError
