"""TensorFlow: one small matmul for each group in eager and graph mode, padded groups under XLA.

A graph that is traced for an export, where `exporting()` is True, holds only operations that other
runtimes know too: none that is TensorFlow's own, such as `DynamicPartition`, and no gradients.
"""

from functools import partial

import tensorflow as tf

from sparse_keras._internal.tensorflow_private import compiles_with_xla
from sparse_keras.ops import group_calls, sorting
from sparse_keras.ops.grouped_rows import GroupedRows
from sparse_keras.ops.groups import are_few
from sparse_keras.ops.padded_rows import PaddedRows
from sparse_keras.ops.primitives import exporting, map_calls

_LARGE = 2**18  # Elements of a matrix; see `_matmul_of_large`.


def concrete(tensor):
    return tensor.numpy() if hasattr(tensor, "numpy") and tf.executing_eagerly() else None


def shapes_follow_data():
    return not compiles_with_xla()


def check_export(tensor):
    """Does nothing: what is traced for an export is portable."""


def truncate(rows, count, most=None):
    if not compiles_with_xla():
        return rows[:count]
    return rows if most is None else rows[: tf.maximum(most, 1)]


def add_rows(rows, index, count):
    # Faster on CPUs than `unsorted_segment_sum`, which is Keras's: 2.2 instead of 3.1 ms for 2,048
    # rows of 256.
    return tf.scatter_nd(index[:, None], rows, tf.concat([[count], tf.shape(rows)[1:]], axis=0))


def sort_groups(group, num_groups):
    if exporting():
        return sorting.by_counting(group, num_groups)
    if compiles_with_xla() or are_few(group.shape[0], num_groups):
        return sorting.by_argsort(group, num_groups)
    sizes = tf.raw_ops.DenseBincount(
        input=group, size=num_groups, weights=tf.zeros([0], tf.int32), binary_output=False
    )
    # One pass over the rows, where `argsort` would sort them.
    rows = tf.dynamic_partition(tf.range(tf.size(group)), group, num_groups)
    # A static number of rows stays static: few rows are computed in another way.
    return tf.ensure_shape(tf.concat(rows, axis=0), group.shape), sizes


def invert_permutation(permutation):
    if exporting() or compiles_with_xla():
        return sorting.invert_permutation(permutation)
    return tf.math.invert_permutation(permutation)


def group_rows(rows, group_sizes):
    form = PaddedRows if compiles_with_xla() else SlicedRows
    return form.of(rows, group_sizes)


def _with_a_row(values):
    if compiles_with_xla() or values.shape[0] is not None:
        return group_calls.with_a_row(values)
    # A concatenation would copy all rows.
    return tf.cond(tf.shape(values)[0] > 0, lambda: values, lambda: group_calls.with_a_row(values))


@partial(group_calls.never_empty, with_a_row=_with_a_row)
def map_groups(function, rows, weights, group_sizes, constants, draw, dtype):
    num_groups = group_sizes.shape[0]
    few = are_few(rows.shape[0], num_groups)
    arguments = (function, rows, weights, group_sizes, constants, draw)
    if compiles_with_xla() or (few and not exporting()):
        return group_calls.in_blocks(map_calls, *arguments, dtype)

    def split(places, lengths):
        return tf.split(places, lengths, num=num_groups)

    return group_calls.in_slices(split, tf.unstack, *arguments)


class SlicedRows(GroupedRows):
    """Rows sorted by group, as a list of slices.

    All that happens to a group happens to its slice, from the rows to the output, while it is in
    the cache; in a float32 graph, grappler fuses matmul, bias and activation. Neither
    `tf.split` of the rows nor `tf.unstack` of the matrices copies anything (along the first axis
    they share the buffer), and the gradient of `tf.unstack` is one `tf.stack`: autodiff of slices
    `w[g]` would make a gradient as large as the bank for each group, and add them up.
    """

    def __init__(self, slices, num_groups, group_sizes, active, rest):
        super().__init__(num_groups)
        self.slices = slices
        self.group_sizes = group_sizes  # Of each slice.
        self.active = active  # The group of each slice, int32. `None`: every group has one.
        self.rest = rest  # The number of rows in no group.

    @classmethod
    def of(cls, rows, group_sizes):
        num_rows, num_groups = rows.shape[0], group_sizes.shape[0]
        num_slices = num_groups
        rest = tf.shape(rows)[0] - tf.reduce_sum(group_sizes)
        active = None
        if are_few(num_rows, num_groups):
            # Fewer rows than groups: only so many slices as may hold a row. Among equals top_k
            # prefers the first, so that groups stay in order.
            num_slices = max(num_rows, 1)
            _, active = tf.math.top_k(tf.cast(group_sizes > 0, tf.int32), num_slices)
            group_sizes = tf.gather(group_sizes, active)
        sizes = tf.concat([group_sizes, rest[None]], axis=0)
        *slices, _ = tf.split(rows, sizes, num=num_slices + 1)
        return cls(slices, num_groups, group_sizes, active, rest)

    def _like(self, slices):
        return SlicedRows(slices, self.num_groups, self.group_sizes, self.active, self.rest)

    def _parts(self, bank):
        """The part of a bank `[E, ...]` that each slice meets."""
        if self.active is None:
            return tf.unstack(bank, num=bank.shape[0])
        return _select(bank, self.active)

    @property
    def width(self):
        return self.slices[0].shape[1]

    def _matmul(self, w):
        is_large = w.shape[1] * w.shape[2] >= _LARGE
        matmul = _matmul_of_large if is_large and not exporting() else tf.matmul
        pairs = zip(self.slices, self._parts(w), strict=True)
        return self._like([matmul(rows, matrix) for rows, matrix in pairs])

    def _matmul_quantized(self, matrices):
        banks = [*matrices.parts]
        if matrices.divisor is not None:
            banks.append(matrices.divisor)
        parts = [self._constants(tf.convert_to_tensor(bank)) for bank in banks]
        of_groups = zip(*parts, strict=True)
        products = [
            _matmul_of_quantized(rows, matrices, of_group)
            for rows, of_group in zip(self.slices, of_groups, strict=True)
        ]
        return self._like(products)

    def _constants(self, bank):
        """As `_parts`, of a bank that needs no gradient."""
        if self.active is None:
            return tf.unstack(bank, num=bank.shape[0])
        return _slices(bank, self.active)

    def _add(self, vectors):
        # Grappler fuses `bias_add` with the matmul before it, but sums its gradient in the dtype of
        # the rows: in bfloat16, 256 + 1 is 256.
        sums_well = self.slices[0].dtype.size >= 4 or exporting()
        add = tf.nn.bias_add if sums_well else _add_with_long_sums
        pairs = zip(self.slices, self._parts(vectors), strict=True)
        return self._like([add(rows, vector) for rows, vector in pairs])

    def map(self, function, *others):
        others = (other.slices for other in others)
        return self._like([function(*rows) for rows in zip(self.slices, *others, strict=True)])

    def map_whole(self, function):
        rows = function(tf.concat(self.slices, axis=0))
        return self._like(tf.split(rows, self.group_sizes, num=len(self.slices)))

    def join(self):
        rest = tf.zeros([self.rest, self.width], self.slices[0].dtype)
        return tf.concat([*self.slices, rest], axis=0)


def _select(bank, index):
    """`bank[i]` for each i, as a list: a slice along the first axis is no copy, a gather is."""

    @tf.custom_gradient
    def select(bank):
        def grad(*upstream):
            return tf.scatter_nd(index[:, None], tf.stack(upstream), bank.shape)

        return _slices(bank, index), grad

    if exporting():
        return _slices(bank, index)
    return select(tf.convert_to_tensor(bank))  # A variable would be one more input of `select`.


def _slices(bank, index):
    count, part_shape = index.shape[0], bank.shape[1:]
    begins = tf.pad(index[:, None], [[0, 0], [0, len(part_shape)]])
    parts = [tf.slice(bank, begin, [1, *part_shape]) for begin in tf.unstack(begins, num=count)]
    return [tf.reshape(part, part_shape) for part in parts]


def _matmul_of_quantized(rows, matrices, of_group):
    """Rows `[m, A]` times the quantized matrix of their group.

    A group without rows is cut down to a matrix of height 0: nothing of it is turned into floats.
    """
    divisor = None if matrices.divisor is None else of_group[-1]
    first, *others = of_group[: len(matrices.parts)]
    used = tf.minimum(tf.shape(rows)[0], 1) * matrices.height

    def floats():
        cut = first if exporting() else tf.slice(first, [0, 0], [used, first.shape[1]])
        return matrices.floats(cut, *others, dtype=rows.dtype)

    def scaled(values):
        return values if divisor is None else values / tf.cast(divisor, values.dtype)

    if exporting():
        return scaled(matrices.interleaved(tf.matmul(rows, floats())))

    @tf.custom_gradient
    def product(rows):
        def grad(upstream):
            # Not cut down: the gradient has the width of the rows also if there are none.
            whole = matrices.floats(first, *others, dtype=rows.dtype)
            upstream = matrices.in_halves(scaled(tf.convert_to_tensor(upstream)))
            return tf.matmul(upstream, whole, transpose_b=True)

        product = tf.matmul(tf.slice(rows, [0, 0], [-1, used]), floats())
        return scaled(matrices.interleaved(product)), grad

    result = product(rows)
    result.set_shape([rows.shape[0], matrices.width])
    return result


@tf.custom_gradient
def _matmul_of_large(rows, matrix):
    """`tf.matmul`, with a faster gradient of the rows.

    `MatMul` with a large, transposed second factor takes up to 2.5 times as long on CPUs as
    `BatchMatMul`. For small matrices `BatchMatMul` has the larger overhead.
    """

    def grad(upstream):
        upstream = tf.convert_to_tensor(upstream)  # It may be IndexedSlices.
        rows_grad = tf.matmul(upstream[None], matrix[None], transpose_b=True)[0]
        return rows_grad, tf.matmul(rows, upstream, transpose_a=True)

    return tf.matmul(rows, matrix), grad


@tf.custom_gradient
def _add_with_long_sums(rows, vector):
    def grad(upstream):
        upstream = tf.convert_to_tensor(upstream)
        total = tf.reduce_sum(tf.cast(upstream, tf.float32), axis=0)
        return upstream, tf.cast(total, vector.dtype)

    return rows + vector, grad
