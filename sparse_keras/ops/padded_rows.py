"""Rows sorted by group with static shapes: exact, dropless, and fit for a compiler.

`grouped_rows` says why there is this layout beside slices.

XLA has to know every shape before it sees a value, and the size of a group is a value. So each
group gets the same room of C rows, its fair share and what chance adds to it, and all groups are
computed by one batched matmul. The rows that find no room, in groups larger than C, stay where they
are, and a loop computes them in windows of T rows, as many windows as it takes: none if the groups
are balanced, (M - C) / T if one group holds everything.

    rows:    0 0 0 0 0 | 1 | 3 3           (group 2 is empty; C = 3, T = 2)
    room:    [0 0 0] [1 . .] [. . .] [3 3 .]
    windows: [0 0] at row 3

A window may reach beyond its group, as one at row 4 would. What it writes there is written again by
the window that the row belongs to, or never read.

With fewer rows than groups, as in a decode step, no group has room, which would read matrices in
vain. Each row is a window of its own, multiplied by its group's matrix in place, without copying
the matrix.
"""

import math

from keras import ops

from sparse_keras.ops.grouped_rows import GroupedRows
from sparse_keras.ops.groups import are_few, group_of_row, sum_dtype
from sparse_keras.ops.primitives import (
    bilinear_map,
    dynamic_slice,
    dynamic_update_slice,
    linear_map,
    repeat,
)

_WINDOW = 64  # Most of T. A matmul of fewer rows would mostly wait for its matrix.


class PaddedRows(GroupedRows):
    """Rows sorted by group, as a pair of tensors: those with room, and the overflow.

    The values of a place without a row are not used: `join` leaves them out, so that their gradient
    is zero.
    """

    def __init__(self, values, layout):
        super().__init__(layout.num_groups)
        self.values = values  # with room [E, C, A], windows [M + T, A]
        self.layout = layout

    @classmethod
    def of(cls, rows, group_sizes):
        layout = Layout(group_sizes, ops.shape(rows)[0])
        return cls(linear_map(layout.pad, layout.unpad, rows, *layout.indices), layout)

    @property
    def width(self):
        return self.values[0].shape[-1]

    def _matmul(self, w):
        values = self.layout.matmul(self.values, w, *self.layout.windows)
        return PaddedRows(values, self.layout)

    def _matmul_quantized(self, matrices):
        values = self.layout.matmul_quantized(self.values, matrices)
        return PaddedRows(values, self.layout)

    def _add(self, vectors):
        with_room, overflow = self.values
        overflow = self.layout.add(overflow, vectors, *self.layout.windows)
        return PaddedRows((with_room + vectors[:, None], overflow), self.layout)

    def map(self, function, *others):
        rows_with_room, overflow = zip(
            *((other._rows_with_room(), other.values[1]) for other in (self, *others)), strict=True
        )
        return self._of_rows(function(*rows_with_room), function(*overflow))

    def map_whole(self, function):
        rows_with_room, overflow = self._rows_with_room(), self.values[1]
        rows = function(ops.concatenate([rows_with_room, overflow]))
        places = self.num_groups * self.layout.room
        return self._of_rows(rows[:places], rows[places:])

    def _rows_with_room(self):
        """`[E, C, A]` to `[E * C, A]`."""
        return ops.reshape(self.values[0], (self.num_groups * self.layout.room, self.width))

    def _of_rows(self, rows_with_room, overflow):
        shape = (self.num_groups, self.layout.room, overflow.shape[-1])
        return PaddedRows((ops.reshape(rows_with_room, shape), overflow), self.layout)

    def join(self):
        layout = self.layout
        return linear_map(layout.unpad, layout.pad, self.values, *layout.indices)


class Layout:
    """Where each row sits, and the linear maps from rows to there, there, and back.

    Args:
        group_sizes: int `[E]`.
        num_rows: M, an integer or a scalar that is constant to the compiler.
    """

    def __init__(self, group_sizes, num_rows):
        num_groups = group_sizes.shape[0]
        self.num_rows, self.num_groups = num_rows, num_groups
        self.room = room = _room(num_rows, num_groups)
        self.window = window = 1 if are_few(num_rows, num_groups) else _WINDOW
        group_sizes = ops.cast(group_sizes, "int32")
        ends = ops.cumsum(group_sizes)
        starts = ends - group_sizes

        # From a place to the row that fills it.
        place = ops.arange(room, dtype="int32")[None]
        filled = ops.reshape(place < group_sizes[:, None], (-1,))
        row_of_place = ops.where(filled, ops.reshape(starts[:, None] + place, (-1,)), 0)

        # And from a row to its place.
        row = ops.arange(num_rows, dtype="int32")
        group = ops.minimum(group_of_row(group_sizes, num_rows), num_groups - 1)
        rank = row - ops.take(starts, group)
        grouped = row < ends[-1]
        has_room = grouped & (rank < room)
        place_of_row = ops.where(has_room, group * room + rank, 0)
        self.indices = (row_of_place, filled, place_of_row, has_room, grouped & ~has_room)

        count = (ops.maximum(group_sizes - room, 0) + window - 1) // window
        window_ends = ops.cumsum(count)
        nth = ops.arange(num_rows // window + num_groups, dtype="int32")  # As many as there can be.
        group = ops.cast(ops.searchsorted(window_ends, nth, side="right"), "int32")
        group = ops.minimum(group, num_groups - 1)
        nth_of_group = nth - ops.take(window_ends - count, group)
        row = ops.take(starts, group) + room + nth_of_group * window
        self.windows = (window_ends[-1], group, row, ops.take(ends, group))

    def pad(self, rows, row_of_place, filled, place_of_row, has_room, overflows):
        """`[M, A]` to the pair `[E, C, A]` and `[M + T, A]`, zero where no row sits."""
        del place_of_row, has_room
        with_room = _where(filled, ops.take(rows, row_of_place, axis=0))
        with_room = ops.reshape(with_room, (self.num_groups, self.room, rows.shape[-1]))
        return with_room, ops.pad(_where(overflows, rows), [[0, self.window], [0, 0]])

    def unpad(self, values, row_of_place, filled, place_of_row, has_room, overflows):
        """The pair to `[M, A]`, zero for rows in no group. The transpose of `pad`."""
        del row_of_place, filled
        with_room, overflow = values
        with_room = ops.reshape(with_room, (self.num_groups * self.room, with_room.shape[-1]))
        overflow = _where(overflows, overflow[: self.num_rows])
        if isinstance(self.room, int) and self.room == 0:
            return overflow
        return ops.where(has_room[:, None], ops.take(with_room, place_of_row, axis=0), overflow)

    # Three products, bilinear each. The gradients of one are the other two.

    def matmul(self, values, w, *windows):
        """Each row times the matrix of its group."""

        def product(values, w, *windows):
            return self._product(values, w, windows, lambda matrices: matrices, w.shape[2])

        return bilinear_map(product, self.matmul_transposed, self.outer, values, w, *windows)

    def matmul_transposed(self, values, w, *windows):
        """Each row times the transposed matrix of its group."""

        def product(values, w, *windows):
            return self._product(
                values, w, windows, lambda matrices: ops.swapaxes(matrices, -2, -1), w.shape[1]
            )

        def w_grad(upstream, values, *windows):
            return self.outer(values, upstream, *windows)

        return bilinear_map(product, self.matmul, w_grad, values, w, *windows)

    def outer(self, right, left, *windows):
        """The sum over each group of `left_i right_i^T`: `[E, A, B]`."""

        def right_grad(upstream, left, *windows):
            return self.matmul(left, upstream, *windows)

        def left_grad(upstream, right, *windows):
            return self.matmul_transposed(right, upstream, *windows)

        return bilinear_map(self._outer, right_grad, left_grad, right, left, *windows)

    def _product(self, values, w, windows, transposed, width):
        def matrix(group):
            return transposed(_of_group(w, group))

        return self._products(values, lambda: transposed(w), matrix, windows, width)

    def _products(self, values, matrices, matrix, windows, width):
        """Each row times a matrix: `matrices()` `[E, A, B]`, or `matrix(group)` `[A, B]`."""
        with_room, overflow = values
        multiply = _multiply_row if self.window == 1 else ops.matmul

        def body(products, group, row, in_group):
            del in_group
            product = multiply(self._window(overflow, row), matrix(group))
            return dynamic_update_slice(products, (row, 0), product)

        products = ops.zeros((ops.shape(overflow)[0], width), overflow.dtype)
        products = self._for_each_window(windows, body, products)
        return ops.matmul(with_room, matrices()), products

    def matmul_quantized(self, values, matrices):
        """Each row times the quantized matrix of its group. Linear in the rows."""
        dtype, count = values[1].dtype, len(matrices.parts)
        constants = [ops.convert_to_tensor(part) for part in matrices.parts]
        if matrices.divisor is not None:
            constants.append(ops.convert_to_tensor(matrices.divisor))

        def floats(parts):
            whole = matrices.interleaved(matrices.floats(*parts[:count], dtype=dtype))
            for divisor in parts[count:]:
                whole = whole / ops.cast(divisor, dtype)[..., None, :]
            return whole

        def product(values, constants, transposed, width):
            constants, windows = constants[: len(constants) - 4], constants[-4:]

            def matrix(group):
                parts = [_of_group(part, group) for part in constants]
                return transposed(floats(parts))

            return self._products(
                values, lambda: transposed(floats(constants)), matrix, windows, width
            )

        def forward(values, *constants):
            return product(values, constants, lambda whole: whole, matrices.width)

        def transpose(upstream, *constants):
            return product(
                upstream, constants, lambda whole: ops.swapaxes(whole, -2, -1), matrices.height
            )

        return linear_map(forward, transpose, values, *constants, *self.windows)

    def _outer(self, right, left, *windows):
        left_with_room, left_overflow = left
        right_with_room, right_overflow = right

        def body(sums, group, row, in_group):
            # Both without the rows of other groups: zero times what is not a number is no zero.
            left_rows, right_rows = (
                _where(in_group, self._window(rows, row))
                for rows in (left_overflow, right_overflow)
            )
            product = ops.matmul(ops.transpose(left_rows), right_rows)
            product = _of_group(sums, group) + ops.cast(product, sums.dtype)
            return dynamic_update_slice(sums, (group, 0, 0), product[None])

        sums = ops.matmul(ops.swapaxes(left_with_room, -2, -1), right_with_room)
        # A group may have many windows, too many to add up in half precision.
        sums = self._for_each_window(windows, body, ops.cast(sums, sum_dtype(sums.dtype)))
        return ops.cast(sums, left_overflow.dtype)

    def _for_each_window(self, windows, body, result):
        """`result = body(result, group, row, in_group)` for each window, in the rows' order."""
        count, *of_windows = windows

        def next_window(index, result):
            # Not `groups[index]`, for the reason that `dynamic_slice` has.
            group, row, end = (ops.take(values, index[None])[0] for values in of_windows)
            in_group = row + ops.arange(self.window, dtype="int32") < end
            return body(result, group, row, in_group)

        return repeat(count, next_window, result)

    def _window(self, rows, row):
        return dynamic_slice(rows, (row, 0), (self.window, rows.shape[1]))

    def add(self, overflow, vectors, *windows):
        """Each row of `[M + T, A]` without room plus the vector of its group, `[E, A]`."""

        def add(pair, *windows):
            overflow, vectors = pair

            def body(sums, group, row, in_group):
                # What does not belong to the group is left as it is.
                vector = dynamic_slice(vectors, (group, 0), (1, vectors.shape[1]))
                vector = _where(in_group, ops.repeat(vector, self.window, axis=0))
                return dynamic_update_slice(sums, (row, 0), self._window(sums, row) + vector)

            return self._for_each_window(windows, body, overflow)

        def transpose(upstream, *windows):
            return upstream, self._reduce(upstream, *windows)

        return linear_map(add, transpose, (overflow, vectors), *windows)

    def _reduce(self, rows, *windows):
        width = rows.shape[1]

        def body(sums, group, row, in_group):
            part = _where(in_group, self._window(rows, row))
            total = ops.sum(ops.cast(part, sums.dtype), axis=0, keepdims=True)
            total += dynamic_slice(sums, (group, 0), (1, width))
            return dynamic_update_slice(sums, (group, 0), total)

        sums = ops.zeros((self.num_groups, width), sum_dtype(rows.dtype))
        return ops.cast(self._for_each_window(windows, body, sums), rows.dtype)


def _room(num_rows, num_groups):
    """C: the fair share and twice its square root, what chance alone seldom exceeds.

    None for fewer rows than groups.
    """
    if are_few(num_rows, num_groups):
        return 0
    if isinstance(num_rows, int):
        share = num_rows / num_groups
        room = math.ceil((share + 2 * math.sqrt(share)) / 8) * 8
        return min(room, num_rows)
    # A shape that only the compiler knows.
    share = ops.cast(num_rows, "float32") / num_groups
    room = ops.cast(ops.ceil((share + 2 * ops.sqrt(share)) / 8), "int32") * 8
    return ops.where(num_rows >= num_groups, ops.minimum(room, num_rows), 0)


def _multiply_row(row, matrix):
    """`[1, A]` times `[A, B]`, in one pass over the matrix."""
    dtype = sum_dtype(row.dtype)
    products = ops.cast(ops.transpose(row), dtype) * ops.cast(matrix, dtype)
    return ops.cast(ops.sum(products, axis=0, keepdims=True), row.dtype)


def _of_group(part, group):
    rest = tuple(part.shape[1:])
    return dynamic_slice(part, (group, *(0 for _ in rest)), (1, *rest))[0]


def _where(condition, rows):
    return ops.where(condition[:, None], rows, ops.zeros_like(rows))
