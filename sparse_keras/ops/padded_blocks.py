"""Grouped matmul with static shapes: exact, dropless, and fit for a compiler.

XLA has to know every shape before it sees a value, and the size of a group is a value. So each
group is padded to whole blocks of T rows. M rows in E groups never need more than M // T + E
blocks, whatever the sizes are; a block belongs to one group, and the product becomes one batched
matmul over blocks (MegaBlocks, https://arxiv.org/abs/2211.15841, section 5, without its
hand-written kernel):

    group:   0 0 0 | 1 | 3 3          (group 2 is empty, T = 2)
    blocks:  [0 0] [0 .] [1 .] [3 3] [. .] [. .] [. .]
"""

from keras import ops


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
        self.slot_filled = (offset < ops.take(group_sizes, slot_group)) & (block < block_ends[-1])
        self.row_of_slot = ops.where(self.slot_filled, row, 0)

        # And from a row to its slot.
        row = ops.arange(num_rows, dtype="int32")
        row_group = group_at(group_ends, row)
        slot = (
            ops.take(block_starts, row_group) * self.rows_per_block
            + row
            - ops.take(group_starts, row_group)
        )
        self.row_grouped = row < group_ends[-1]
        self.slot_of_row = ops.where(self.row_grouped, slot, 0)

        self.group_of_block = group_at(block_ends, ops.arange(self.num_blocks, dtype="int32"))

    def pad(self, rows):
        """`[M, A]` to `[blocks, T, A]`, zero where no row sits."""
        width = rows.shape[-1]
        slots = ops.take(rows, self.row_of_slot, axis=0)
        slots = ops.where(self.slot_filled[:, None], slots, ops.zeros_like(slots))
        return ops.reshape(slots, (self.num_blocks, self.rows_per_block, width))

    def unpad(self, blocks):
        """`[blocks, T, B]` to `[M, B]`, zero for rows in no group."""
        width = blocks.shape[-1]
        slots = ops.reshape(blocks, (self.num_blocks * self.rows_per_block, width))
        rows = ops.take(slots, self.slot_of_row, axis=0)
        return ops.where(self.row_grouped[:, None], rows, ops.zeros_like(rows))


def matmul(x, w, group_sizes, transpose=False):
    """`[M, A]` by `[E, A, B]` (with `transpose` `[E, B, A]`) to `[M, B]`."""
    blocks = Blocks(group_sizes, ops.shape(x)[0])
    matrices = ops.take(w, blocks.group_of_block, axis=0)
    if transpose:
        matrices = ops.transpose(matrices, (0, 2, 1))
    return blocks.unpad(ops.matmul(blocks.pad(x), matrices))


def outer(x, y, group_sizes):
    """The sum over each group of `x_i y_i^T`: `[M, A]` and `[M, B]` to `[E, A, B]`."""
    blocks = Blocks(group_sizes, ops.shape(x)[0])
    products = ops.matmul(ops.transpose(blocks.pad(x), (0, 2, 1)), blocks.pad(y))
    # A group may have many blocks, too many to add up in half precision.
    sums = ops.segment_sum(
        ops.cast(products, "float32"), blocks.group_of_block, num_segments=blocks.num_groups
    )
    return ops.cast(sums, x.dtype)
