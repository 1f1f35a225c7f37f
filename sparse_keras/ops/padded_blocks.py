"""Rows sorted by group with static shapes: exact, dropless, and fit for a compiler.

XLA has to know every shape before it sees a value, and the size of a group is a value. So each
group is padded to whole blocks of T rows. M rows in E groups never need more than M // T + E
blocks, whatever the sizes are; a block belongs to one group, and the product becomes one batched
matmul over blocks (MegaBlocks, https://arxiv.org/abs/2211.15841, section 5, without its
hand-written kernel):

    group:   0 0 0 | 1 | 3 3          (group 2 is empty, T = 2)
    blocks:  [0 0] [0 .] [1 .] [3 3] [. .] [. .] [. .]
"""

from keras import ops

from sparse_keras.ops.gradients import bilinear_map, linear_map
from sparse_keras.ops.grouped_rows import GroupedRows


class PaddedRows(GroupedRows):
    """Rows sorted by group, as blocks `[blocks, T, A]` of one group each.

    What a slot without a row holds is of no use, and reaches nothing: `join` leaves it out, so that
    its gradient is zero.
    """

    def __init__(self, values, blocks):
        super().__init__(blocks.num_groups)
        self.values = values
        self.blocks = blocks

    @classmethod
    def of(cls, rows, group_sizes):
        blocks = Blocks(group_sizes, ops.shape(rows)[0])
        return cls(linear_map(blocks.pad, blocks.unpad, rows, *blocks.indices), blocks)

    @property
    def width(self):
        return self.values.shape[-1]

    def _matmul(self, w):
        values = bilinear_map(
            _block_matmul,
            _block_matmul_transposed,
            _block_outer(self.num_groups),
            self.values,
            w,
            self.blocks.group_of_block,
        )
        return PaddedRows(values, self.blocks)

    def _add(self, vectors):
        num_groups = self.num_groups

        def expand(vectors, group):
            return ops.take(vectors, group, axis=0)

        def reduce(values, group):
            return ops.segment_sum(values, group, num_segments=num_groups)

        vectors = linear_map(expand, reduce, vectors, self.blocks.group_of_block)
        return PaddedRows(self.values + vectors[:, None], self.blocks)

    def map(self, function, *others):
        return PaddedRows(function(self.values, *(other.values for other in others)), self.blocks)

    map_whole = map

    def join(self):
        blocks = self.blocks
        return linear_map(blocks.unpad, blocks.pad, self.values, *blocks.indices)


def _block_matmul(values, w, group):
    return ops.matmul(values, ops.take(w, group, axis=0))


def _block_matmul_transposed(values, w, group):
    return ops.matmul(values, ops.transpose(ops.take(w, group, axis=0), (0, 2, 1)))


def _block_outer(num_groups):
    def outer(upstream, values, group):
        products = ops.matmul(ops.transpose(values, (0, 2, 1)), upstream)
        # A group may have many blocks, too many to add up in half precision.
        sums = ops.segment_sum(ops.cast(products, "float32"), group, num_segments=num_groups)
        return ops.cast(sums, values.dtype)

    return outer


def _block_rows(num_rows, num_groups):
    """T, the rows of a block: about a group's share, so that few rows are padding."""
    share = num_rows // num_groups
    if isinstance(share, int):
        return min(max(share, 8), 128)
    return ops.clip(share, 8, 128)  # A shape that only the compiler knows.


class Blocks:
    """Where each row sits once every group is padded to whole blocks.

    Args:
        group_sizes: int `[E]`.
        num_rows: M, an integer or a scalar that is constant to the compiler.
    """

    def __init__(self, group_sizes, num_rows):
        num_groups = group_sizes.shape[0]
        self.num_groups = num_groups
        self.rows_per_block = _block_rows(num_rows, num_groups)
        self.num_blocks = num_rows // self.rows_per_block + num_groups

        group_sizes = ops.cast(group_sizes, "int32")
        group_ends = ops.cumsum(group_sizes)
        group_starts = group_ends - group_sizes
        blocks_of_group = (group_sizes + self.rows_per_block - 1) // self.rows_per_block
        block_ends = ops.cumsum(blocks_of_group)
        block_starts = block_ends - blocks_of_group

        def group_at(ends, index):
            group = ops.searchsorted(ends, index, side="right")
            return ops.minimum(ops.cast(group, "int32"), num_groups - 1)

        # From a slot of the padded layout to the row that fills it.
        slot = ops.arange(self.num_blocks * self.rows_per_block, dtype="int32")
        block = slot // self.rows_per_block
        slot_group = group_at(block_ends, block)
        offset = slot - ops.take(block_starts, slot_group) * self.rows_per_block
        row = ops.take(group_starts, slot_group) + offset
        slot_filled = (offset < ops.take(group_sizes, slot_group)) & (block < block_ends[-1])
        row_of_slot = ops.where(slot_filled, row, 0)

        # And from a row to its slot.
        row = ops.arange(num_rows, dtype="int32")
        row_group = group_at(group_ends, row)
        slot = (
            ops.take(block_starts, row_group) * self.rows_per_block
            + row
            - ops.take(group_starts, row_group)
        )
        row_grouped = row < group_ends[-1]
        slot_of_row = ops.where(row_grouped, slot, 0)

        self.indices = (row_of_slot, slot_filled, slot_of_row, row_grouped)
        self.group_of_block = group_at(block_ends, ops.arange(self.num_blocks, dtype="int32"))

    def pad(self, rows, row_of_slot, slot_filled, slot_of_row, row_grouped):
        """`[M, A]` to `[blocks, T, A]`, zero where no row sits. The transpose of `unpad`."""
        del slot_of_row, row_grouped
        slots = ops.take(rows, row_of_slot, axis=0)
        slots = ops.where(slot_filled[:, None], slots, ops.zeros_like(slots))
        return ops.reshape(slots, (self.num_blocks, self.rows_per_block, rows.shape[-1]))

    def unpad(self, blocks, row_of_slot, slot_filled, slot_of_row, row_grouped):
        """`[blocks, T, B]` to `[M, B]`, zero for rows in no group."""
        del row_of_slot, slot_filled
        width = blocks.shape[-1]
        slots = ops.reshape(blocks, (self.num_blocks * self.rows_per_block, width))
        rows = ops.take(slots, slot_of_row, axis=0)
        return ops.where(row_grouped[:, None], rows, ops.zeros_like(rows))
