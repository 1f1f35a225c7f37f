"""Counts the multiplications and additions of a template's matmuls."""

import math

import keras

from sparse_keras.layers.experts.template_checks import SELF_ATTENTION

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)


def template_flops(layer: keras.layers.Layer, input_shape: tuple) -> int | None:
    """Returns the multiplications and additions for one row.

    Args:
        layer: A built layer.
        input_shape: Shape of its input. The first axis does not matter.

    Returns:
        An integer; `None` if a layer of another kind has matrices, or an axis is not static.
    """
    if isinstance(layer, keras.Sequential):
        total, shape = 0, input_shape
        for part in layer.layers:
            flops = template_flops(part, shape)
            if flops is None:
                return None
            total, shape = total + flops, part.compute_output_shape(shape)
        return total
    positions = tuple(input_shape[1:-1])
    if isinstance(layer, keras.layers.Dense):
        return _times(2 * math.prod(layer.kernel.shape), positions)
    if isinstance(layer, _CONVOLUTIONS):
        positions = layer.compute_output_shape(input_shape)[1:-1]
        return _times(2 * math.prod(layer.kernel.shape), positions)
    if isinstance(layer, SELF_ATTENTION):
        return _attention(layer, positions)
    has_no_matrix = all(len(weight.shape) < 2 for weight in layer.weights)
    return 0 if has_no_matrix and not isinstance(layer, keras.Model) else None


def _attention(layer: keras.layers.Layer, positions: tuple) -> int | None:
    if None in positions:
        return None
    length = math.prod(positions)
    projections = sum(math.prod(w.shape) for w in layer.weights if w.name == "kernel")
    if isinstance(layer, keras.layers.MultiHeadAttention):
        width = layer.num_heads * (layer.key_dim + layer.value_dim)
    else:
        width = 2 * layer.num_query_heads * layer.head_dim
    # Each head compares all pairs of positions, and sums as many values.
    return 2 * (projections * length + length * length * width)


def _times(flops: int, positions: tuple) -> int | None:
    return None if None in positions else flops * math.prod(positions)
