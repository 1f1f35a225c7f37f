"""PyTorch: `torch.autograd.Function`."""

import contextlib

import torch


def exporting():
    return False


def python_loops():
    return contextlib.nullcontext()  # As they do.


def linear_map(forward, transpose, x, *constants):
    class Mapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return forward(x, *constants)

        @staticmethod
        def backward(ctx, upstream):
            return linear_map(transpose, forward, upstream, *constants)

    return Mapped.apply(x)
