"""What the tests of all attention layers share: inputs, and generation step by step."""

import numpy as np
from keras import ops

from tests.support.gradients import layer_gradients, to_numpy

BATCH, LENGTH, WIDTH = 2, 7, 6
PADDED_LEFT = np.array([[False] * 3 + [True] * 4, [True] * 7])
PADDED_RIGHT = np.array([[True] * 5 + [False] * 2, [False] * 7])
DOCUMENTS = np.array([[4, 4, 4, 1, 1, 1, 1], [0, 1, 2, 2, 2, 3, 3]])
# Neighbours are not always one position apart.
POSITIONS = np.array([[0, 1, 2, 3, 5, 8, 9], [40, 41, 42, 43, 44, 45, 46]])
ARGUMENTS = {
    "plain": {},
    "padded left": {"mask": PADDED_LEFT},
    "padded right": {"mask": PADDED_RIGHT},
    "documents": {"segment_ids": DOCUMENTS},
    "positions": {"positions": POSITIONS},
    "everything": {"mask": PADDED_LEFT, "segment_ids": DOCUMENTS, "positions": POSITIONS},
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def weighted_sum(outputs, upstream):
    """A scalar function of outputs whose gradient in them is `upstream`."""
    return ops.sum(outputs * ops.convert_to_tensor(upstream, outputs.dtype))


def check_gradients(layer, reference, randomized, **arguments):
    """Compares gradients with finite differences of the reference, along random directions.

    Args:
        layer: A built layer of float64.
        reference: Function of (inputs, weights).
        randomized: Dict of the weights, as `weights_of` returns.
        **arguments: Call arguments of the layer.
    """
    x, upstream = draw(BATCH, LENGTH, WIDTH).astype("float64"), draw(BATCH, LENGTH, WIDTH, seed=1)
    dx, found = layer_gradients(layer, x, lambda y: weighted_sum(y, upstream), **arguments)
    assert set(found) == set(randomized)
    rng, step = np.random.default_rng(2), 1e-6
    for name in ["inputs", *found]:
        direction = rng.normal(size=x.shape if name == "inputs" else randomized[name].shape)
        values = []
        for sign in (1, -1):
            moved = sign * step * direction
            inputs, weights = x, dict(randomized)
            if name == "inputs":
                inputs = x + moved
            else:
                weights[name] = weights[name] + moved
            values += [np.sum(reference(inputs, weights) * upstream)]
        expected = (values[0] - values[1]) / (2 * step)
        gradient = dx if name == "inputs" else found[name]
        np.testing.assert_allclose(
            np.sum(gradient * direction), expected, rtol=1e-4, atol=1e-5, err_msg=name
        )


def generate(layer, x, chunks, positions=None, mask=None, max_length=None, as_tensor=False):
    """Calls a layer with a cache, on `chunks` tokens at a time; returns all outputs `[B, T, D]`."""
    cache = layer.make_cache(len(x), max_length or x.shape[1])
    outputs, start = [], 0
    for size in chunks:
        part = slice(start, start + size)
        y, cache = layer(
            x[:, part],
            positions=None if positions is None else positions[:, part],
            mask=None if mask is None else mask[:, part],
            cache=cache,
            cache_index=ops.convert_to_tensor(start, "int32") if as_tensor else start,
        )
        outputs += [to_numpy(y)]
        start += size
    return np.concatenate(outputs, axis=1)
