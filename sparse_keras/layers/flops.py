"""Multiplications and additions of the matmuls of a layer, for the layers that are counted."""

import math
from typing import Any

import keras


def layer_flops(layer: keras.layers.Layer, input_shape: tuple[int | None, ...]) -> int | None:
    """Counts the operations of one example.

    A layer can count by itself: by `flops_per_example(input_shape)`, or by
    `flops_per_token(input_dim)`, which is multiplied by the number of positions.

    Args:
        layer: A built layer.
        input_shape: Shape of its input, `[B, ..., D]`. The first axis does not matter.

    Returns:
        An integer; `None` if a layer with weights of rank 2 or more is of a kind not counted, or
        if an axis that counts is not static.
    """
    positions = tuple(input_shape[1:-1])
    if hasattr(layer, "flops_per_example"):
        return layer.flops_per_example(input_shape)
    if hasattr(layer, "flops_per_token"):
        if None in positions:
            return None
        flops = layer.flops_per_token(input_shape[-1])
        return None if flops is None else flops * math.prod(positions)
    if isinstance(layer, keras.Sequential):
        total, shape = 0, input_shape
        for part in layer.layers:
            flops = layer_flops(part, shape)
            if flops is None:
                return None
            total, shape = total + flops, part.compute_output_shape(shape)
        return total
    if isinstance(layer, keras.Model):
        return _flops_of_model(layer)
    if isinstance(layer, keras.layers.Dense):
        return matrix_flops(layer.kernel, input_shape)
    if isinstance(layer, keras.layers.Embedding):
        return 0
    return 0 if all(len(weight.shape) < 2 for weight in layer.weights) else None


def matrix_flops(matrix: Any, input_shape: tuple[int | None, ...]) -> int | None:
    """Counts the operations of one example `[B, ..., D]` times a matrix; see `layer_flops`."""
    positions = input_shape[1:-1]
    return None if None in positions else 2 * math.prod(matrix.shape) * math.prod(positions)


def _flops_of_model(model: keras.Model) -> int | None:
    """Counts a functional model in which each layer is called once."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        try:
            tensors = keras.tree.flatten(layer.input)
        except (AttributeError, ValueError):  # It is called several times, or never.
            return None
        flops = layer_flops(layer, tuple(tensors[0].shape))
        if flops is None:
            return None
        total += flops
    return total
