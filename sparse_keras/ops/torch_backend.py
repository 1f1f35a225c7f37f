"""PyTorch: `torch.nn.functional.grouped_mm` where it works, else a loop over unbound weights."""

import functools

import torch
from keras import ops

from sparse_keras._internal.exporting import refuse_portable
from sparse_keras.ops import group_calls, sorting
from sparse_keras.ops.grouped_rows import GroupedRows

sort_groups = sorting.by_argsort


def invert_permutation(permutation):
    inverse = torch.empty_like(permutation)
    inverse[permutation] = torch.arange(
        len(permutation), dtype=permutation.dtype, device=permutation.device
    )
    return inverse


def concrete(tensor):
    if torch.compiler.is_compiling() or tensor.is_meta:
        return None
    return tensor.detach().cpu().numpy()


def shapes_follow_data():
    return True


def check_export(tensor):
    """Raises a ValueError if a compiled function is traced for a portable format.

    The sizes of groups would be written down as they are in the example that is traced.
    """
    del tensor
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        refuse_portable("torch")


def truncate(rows, count, most=None):
    return rows[: int(count)]


def add_rows(rows, index, count):
    return rows.new_zeros((count, *rows.shape[1:])).index_add(0, index, rows)


class SortedRows(GroupedRows):
    """Rows sorted by group, in one tensor."""

    def __init__(self, rows, sizes, ends):
        super().__init__(len(sizes) - 1)
        self.rows = rows
        self.sizes = sizes  # Of each group, and the number of rows in no group: a list.
        self.ends = ends  # Of each group, int32 [E] on the rows' device.

    @classmethod
    def of(cls, rows, group_sizes):
        sizes = group_sizes.tolist()  # Once: on a GPU, this waits for it.
        ends = torch.cumsum(group_sizes, 0, dtype=torch.int32)
        return cls(rows, [*sizes, rows.shape[0] - sum(sizes)], ends)

    def _like(self, rows):
        return SortedRows(rows, self.sizes, self.ends)

    @property
    def width(self):
        return self.rows.shape[1]

    def _matmul(self, w):
        device = self.rows.device.type
        rows = self.rows
        if torch.is_autocast_enabled(device):  # `grouped_mm` does not look.
            dtype = torch.get_autocast_dtype(device)
            rows, w = rows.to(dtype), w.to(dtype)
        *sizes, rest = self.sizes
        rows = rows[: rows.shape[0] - rest]
        if _takes_grouped_mm(rows, w):
            product = _ContiguousGradient.apply(
                torch.nn.functional.grouped_mm(rows.contiguous(), w.contiguous(), offs=self.ends)
            )
        else:
            # The gradient of `unbind` is one for the whole bank; `w[g]` would make a full-size one
            # for each group.
            pairs = zip(torch.split(rows, sizes), w.unbind(0), strict=True)
            product = torch.cat([rows @ matrix for rows, matrix in pairs])
        if rest:
            product = torch.cat([product, product.new_zeros(rest, w.shape[2])])
        return self._like(product)

    def _matmul_quantized(self, matrices):
        parts = [ops.convert_to_tensor(part) for part in matrices.parts]
        divisor = None if matrices.divisor is None else ops.convert_to_tensor(matrices.divisor)
        return self._like(
            _MatmulOfQuantized.apply(self.rows, self.sizes, matrices, divisor, *parts)
        )

    def _add(self, vectors):
        return self._like(_AddToGroups.apply(self.rows, vectors, self.sizes))

    def map(self, function, *others):
        return self._like(function(self.rows, *(other.rows for other in others)))

    map_whole = map

    def join(self):
        return self.rows


group_rows = SortedRows.of


@group_calls.never_empty
def map_groups(function, rows, weights, group_sizes, constants, draw, dtype):
    del dtype

    def split(places, lengths):
        return torch.split(places, lengths.tolist())

    return group_calls.in_slices(
        split, torch.unbind, function, rows, weights, group_sizes, constants, draw
    )


class _ContiguousGradient(torch.autograd.Function):
    """The identity, with a contiguous gradient: that of `sum()` has strides of zero, for which
    `grouped_mm` raises an error."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, upstream):
        return upstream.contiguous()


class _MatmulOfQuantized(torch.autograd.Function):
    """Rows times quantized matrices: the floats of one group at a time, forwards and backwards."""

    @staticmethod
    def forward(ctx, rows, sizes, matrices, divisor, *parts):
        ctx.sizes, ctx.matrices, ctx.divisor, ctx.parts = sizes, matrices, divisor, parts
        product = rows.new_zeros(rows.shape[0], matrices.width)
        for group, span in _spans(sizes):
            floats = matrices.floats(*(part[group] for part in parts), dtype=rows.dtype)
            values = matrices.interleaved(rows[span] @ floats)
            product[span] = values if divisor is None else values / divisor[group].to(values.dtype)
        return product

    @staticmethod
    def backward(ctx, upstream):
        matrices, divisor = ctx.matrices, ctx.divisor
        rows_grad = upstream.new_zeros(upstream.shape[0], matrices.height)
        for group, span in _spans(ctx.sizes):
            parts = (part[group] for part in ctx.parts)
            floats = matrices.floats(*parts, dtype=upstream.dtype)
            values = upstream[span]
            values = values if divisor is None else values / divisor[group].to(values.dtype)
            rows_grad[span] = matrices.in_halves(values) @ floats.T
        return (rows_grad, None, None, None, *(None for _ in ctx.parts))


def _spans(sizes):
    """The groups that have rows, each with the slice of its rows."""
    *sizes, _ = sizes
    start = 0
    for group, size in enumerate(sizes):
        if size:
            yield group, slice(start, start + size)
        start += size


class _AddToGroups(torch.autograd.Function):
    """Adds the vector of its group to each row, with one sum for each group as the gradient."""

    @staticmethod
    def forward(ctx, rows, vectors, sizes):
        ctx.sizes = sizes
        sums = rows.new_empty(rows.shape, dtype=torch.result_type(rows, vectors))
        *out, rest = torch.split(sums, sizes)
        *slices, rest_rows = torch.split(rows, sizes)
        for target, part, vector in zip(out, slices, vectors.unbind(0), strict=True):
            torch.add(part, vector, out=target)
        rest.copy_(rest_rows)
        return sums

    @staticmethod
    def backward(ctx, upstream):
        *slices, _ = torch.split(upstream, ctx.sizes)
        return upstream, torch.stack([part.sum(0) for part in slices]), None


def _takes_grouped_mm(rows, w):
    """Whether `grouped_mm` computes this product."""
    # It asks for strides of whole 16 bytes, and for at least one row.
    aligned = all(width * w.element_size() % 16 == 0 for width in w.shape[1:])
    return (
        aligned
        and rows.shape[0] > 0
        and rows.dtype == w.dtype
        and not torch.compiler.is_compiling()
        and _has_grouped_mm(rows.device, rows.dtype)
    )


@functools.cache
def _has_grouped_mm(device, dtype):
    """Tries it out: support differs between versions, devices and dtypes, gradients included."""
    grouped_mm = getattr(torch.nn.functional, "grouped_mm", None)
    if grouped_mm is None:
        return False
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        x = torch.ones(3, 16, device=device, dtype=dtype, requires_grad=True)
        w = torch.ones(2, 16, 16, device=device, dtype=dtype, requires_grad=True)
        ends = torch.tensor([0, 3], device=device, dtype=torch.int32)
        try:
            y = grouped_mm(x, w, offs=ends)
            dx, dw = torch.autograd.grad(y, [x, w], torch.ones_like(y))
        except (RuntimeError, NotImplementedError):
            return False
    expected = torch.tensor([0.0, 3.0], device=device)[:, None, None]
    return bool((y == 16).all() and (dx == 16).all() and (dw == expected).all())
