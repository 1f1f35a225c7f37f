"""PyTorch: a loop of matmuls over unbound weights; autograd does the rest.

`w.unbind(0)` has one gradient for the whole bank; `w[e]` would make a full-size one per expert.
"""

import torch


def linear_map(forward, transpose, x, *constants):
    class Mapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return forward(x, *constants)

        @staticmethod
        def backward(ctx, upstream):
            return linear_map(transpose, forward, upstream, *constants)

    return Mapped.apply(x)


def truncate(rows, count):
    return rows[: int(count)]


def grouped_matmul(x, w, group_sizes):
    sizes = group_sizes.tolist()
    rest = x.shape[0] - sum(sizes)
    *slices, _ = torch.split(x, [*sizes, rest])
    products = [rows @ matrix for rows, matrix in zip(slices, w.unbind(0), strict=True)]
    return torch.cat([*products, x.new_zeros(rest, w.shape[2])])
