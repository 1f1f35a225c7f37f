"""Calls a function for each group of rows, each time with the weights of the group.

For experts that are not matrix products: convolutions, recurrent layers, whatever a user wrote.
There are two layouts, as for `GroupedRows` and for the same reason. Both are exact and dropless:

* `Slices`: one call for each group, with as many rows as it has. A function may fail on no rows at
  all, so an empty group gets one row, whose output is not used. At most M + E rows are computed.
  Sizes depend on data.
* `Blocks`: for compilers, which have to know every shape. Each call has T rows; a group takes as
  many calls as it needs, and the last of them is filled up. With T = M / (2 E) at most 1.5 M rows
  are computed, by one loop that looks up the weights of each call.

    rows:    0 0 0 0 0 | 1 | 3 3              (group 2 is empty)
    slices:  [0 0 0 0 0] [1] [.] [3 3]
    blocks:  [0 0] [0 0] [0 .] [1 .] [3 3] [. .] ...        (T = 2)

A place that no row fills holds the values of another row, so that the function returns something
finite. Its output is not used.
"""

import functools
import math

from keras import ops

from sparse_keras.ops.groups import group_of_row, sum_dtype
from sparse_keras.ops.primitives import exporting, linear_map


class _Layout:
    """Where each row sits. Subclasses set:

    * `num_rows`: M.
    * `row_of_place`: int32 `[P]`, the row in each place, and `filled`: bool `[P]`, whether it is
      that row's place.
    * `place_of_row`: int32 `[M]`, and `grouped`: bool `[M]`, whether the row is in a group.
    """

    def __init__(self, group_sizes, num_rows):
        self.num_groups, self.num_rows = group_sizes.shape[0], num_rows
        self.sizes = ops.cast(group_sizes, "int32")
        self.ends = ops.cumsum(self.sizes)
        self.starts = self.ends - self.sizes

    def place(self, group_starts):
        """Sets the place of each row: in its group's order, from where the group starts."""
        row = ops.arange(self.num_rows, dtype="int32")
        group = ops.minimum(group_of_row(self.sizes, self.num_rows), self.num_groups - 1)
        self.grouped = row < self.ends[-1]
        place = ops.take(group_starts, group) + row - ops.take(self.starts, group)
        self.place_of_row = ops.where(self.grouped, place, 0)

    def spread(self, rows):
        """`[M, ...]` to `[P, ...]`."""
        return linear_map(_take_rows, _take_places, rows, *self._indices)

    def spread_constant(self, values):
        """The same for values that need no gradient, of any dtype."""
        return ops.take(values, self.row_of_place, axis=0)

    def gather(self, places):
        """`[P, ...]` to `[M, ...]`, zero for rows in no group."""
        return linear_map(_take_places, _take_own_rows, places, *self._indices)

    @property
    def _indices(self):
        return self.row_of_place, self.filled, self.place_of_row, self.grouped


class Slices(_Layout):
    """One slice for each group, of `lengths` places: its rows, or one place if it has none."""

    def __init__(self, group_sizes, num_rows):
        super().__init__(group_sizes, num_rows)
        self.lengths = ops.maximum(self.sizes, 1)
        ends = ops.cumsum(self.lengths)
        begins = ends - self.lengths
        place = ops.arange(ends[-1], dtype="int32")
        group = group_of_row(self.lengths, ends[-1])
        rank = place - ops.take(begins, group)
        self.filled = rank < ops.take(self.sizes, group)
        row = ops.take(self.starts, group) + rank
        self.row_of_place = ops.minimum(row, num_rows - 1)
        self.place(begins)


class Blocks(_Layout):
    """`count` blocks of `length` rows each; `group_of_block` int32 `[count]`."""

    def __init__(self, group_sizes, num_rows):
        super().__init__(group_sizes, num_rows)
        self.length, self.count = _blocks(num_rows, self.num_groups)
        blocks = (self.sizes + self.length - 1) // self.length
        block_ends = ops.cumsum(blocks)
        block_starts = block_ends - blocks
        block = ops.arange(self.count, dtype="int32")
        group = ops.searchsorted(block_ends, block, side="right")
        group = self.group_of_block = ops.minimum(ops.cast(group, "int32"), self.num_groups - 1)
        first = ops.take(self.starts, group) + (block - ops.take(block_starts, group)) * self.length
        row = first[:, None] + ops.arange(self.length, dtype="int32")
        end = ops.take(self.ends, group)[:, None]
        self.filled = ops.reshape(row < end, (-1,))
        self.row_of_place = ops.reshape(ops.minimum(row, ops.maximum(end - 1, 0)), (-1,))
        self.place(block_starts * self.length)

    def split(self, places):
        """`[P, ...]` to `[count, length, ...]`."""
        return ops.reshape(places, (self.count, self.length, *ops.shape(places)[1:]))

    def look_up(self, weights):
        """Weights `[E, ...]` of the group of each block. The gradient is dense, as they are."""

        def sums(blocks, group_of_block):
            total = ops.segment_sum(
                ops.cast(blocks, sum_dtype(blocks.dtype)),
                group_of_block,
                num_segments=self.num_groups,
            )
            return ops.cast(total, blocks.dtype)

        def take(weights, group_of_block):
            return ops.take(weights, group_of_block, axis=0)

        return linear_map(take, sums, weights, self.group_of_block)

    def join(self, blocks):
        return ops.reshape(blocks, (self.count * self.length, *ops.shape(blocks)[2:]))


def with_a_row(values):
    """Adds a row of zeros to values `[M, ...]` if M is 0."""
    num_rows, *rest = ops.shape(values)
    missing = 1 if isinstance(num_rows, int) else ops.maximum(1 - num_rows, 0)
    return ops.concatenate([values, ops.zeros((missing, *rest), values.dtype)], axis=0)


def never_empty(map_groups, with_a_row=with_a_row):
    """Lets `map_groups` compute a row of zeros where there are none, whose output is left out.

    A function may fail on no rows at all, and an index would have no row to read.
    """

    @functools.wraps(map_groups)
    def wrapped(function, rows, weights, group_sizes, constants, draw, dtype):
        num_rows = ops.shape(rows)[0]
        if (isinstance(num_rows, int) and num_rows > 0) or exporting():
            return map_groups(function, rows, weights, group_sizes, constants, draw, dtype)
        rows, *constants = (with_a_row(values) for values in (rows, *constants))
        outputs = map_groups(function, rows, weights, group_sizes, constants, draw, dtype)
        return outputs[:num_rows]

    return wrapped


def in_blocks(map_calls, function, rows, weights, group_sizes, constants, draw, dtype):
    """`map_groups` in blocks.

    Args:
        map_calls: `map_calls(function, xs, dtype)`: `function(*(x[i] for x in xs))` for each i,
            stacked.
        ...: As in `ops.backend`.
    """
    layout = Blocks(group_sizes, ops.shape(rows)[0])
    drawn = () if draw is None else (draw(layout.count),)
    xs = (
        layout.split(layout.spread(rows)),
        *(layout.split(layout.spread_constant(values)) for values in constants),
        # Looked up before the loop: inside, each step would have a gradient of the whole bank.
        *(layout.look_up(weight) for weight in weights),
        *drawn,
    )
    first, second = 1 + len(constants), 1 + len(constants) + len(weights)

    def call(rows, *rest):
        rest = (rows, *rest)
        return function(rows, rest[first:second], rest[1:first], *rest[second:])

    return layout.gather(layout.join(map_calls(call, xs, dtype)))


def in_slices(split, unstack, function, rows, weights, group_sizes, constants, draw):
    """`map_groups` in slices.

    Args:
        split: `split(places, lengths)`: a list with the places of each group.
        unstack: A list of what lies along the first axis, `[E, ...]`.
        ...: As in `ops.backend`.
    """
    layout = Slices(group_sizes, ops.shape(rows)[0])
    drawn = [()] * layout.num_groups
    if draw is not None:
        drawn = [(one,) for one in unstack(draw(layout.num_groups))]
    slices = split(layout.spread(rows), layout.lengths)
    parts = [unstack(weight) for weight in weights]
    asides = [split(layout.spread_constant(values), layout.lengths) for values in constants]
    outputs = [
        function(
            slices[g], tuple(part[g] for part in parts), tuple(aside[g] for aside in asides), *own
        )
        for g, own in enumerate(drawn)
    ]
    return layout.gather(ops.concatenate(outputs, axis=0))


def _blocks(num_rows, num_groups):
    """T and the number of blocks, enough for any sizes of groups.

    A group of s rows takes (s + T - 1) / T blocks at most; all groups that hold a row, of which
    there are no more than rows, (M + n (T - 1)) / T.
    """
    if isinstance(num_rows, int):
        length = max(1, math.ceil(num_rows / (2 * num_groups)))
        return length, (num_rows + min(num_groups, num_rows) * (length - 1)) // length
    # A shape that only the compiler knows.
    length = ops.maximum((num_rows + 2 * num_groups - 1) // (2 * num_groups), 1)
    return length, (num_rows + ops.minimum(num_groups, num_rows) * (length - 1)) // length


# `_take_places` and `_take_own_rows` are each other's transpose. `_take_rows` is one more that
# differs in places that no row fills: what is there, and that nothing comes back from there.


def _take_rows(rows, row_of_place, filled, place_of_row, grouped):
    del filled, place_of_row, grouped
    return ops.take(rows, row_of_place, axis=0)


def _take_own_rows(rows, row_of_place, filled, place_of_row, grouped):
    del place_of_row, grouped
    return _where(filled, ops.take(rows, row_of_place, axis=0))


def _take_places(places, row_of_place, filled, place_of_row, grouped):
    del row_of_place, filled
    return _where(grouped, ops.take(places, place_of_row, axis=0))


def _where(condition, values):
    condition = ops.reshape(condition, (-1, *(1 for _ in values.shape[1:])))
    return ops.where(condition, values, ops.zeros_like(values))
