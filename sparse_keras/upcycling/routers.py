"""How a router starts, so that a mixture of equal experts computes what one of them does.

The weights of the parts of a feed-forward layer must be one constant, for every token. With weights
that add up to 1, this holds for any router of copies. Experts that are parts come in virtual
groups, each a whole copy, with one column of the router's matrix: their scores are equal, and the k
best experts are whole groups if k is a multiple of the number of parts.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from sparse_keras.layers import Router

# Logits of this size change a softmax by less than float32 rounds outputs, and still have an order.
_SMALL = 1e-6
_TOLERANCE = 4e-6
_TOKENS = 256


def start_router(
    router: Router,
    input_dim: int,
    split: int,
    rng: np.random.Generator,
    matrix: np.ndarray | None = None,
) -> float:
    """Sets the weights of a router, and returns the weight that each part then has.

    A router whose weights depend on the token gets a matrix so small that they hardly do.

    Args:
        router: The router, built.
        input_dim: D.
        split: The number of parts, of which expert e is number e mod `split`.
        rng: What the tokens come from that this is measured with.
        matrix: Optional matrix of the router, `[D, E]`, equal in the experts of one copy.

    Raises:
        ValueError: If the weights of parts are not constant.
    """
    kernel = getattr(router, "kernel", None)
    if matrix is not None:
        kernel.assign(matrix)
    elif split > 1 and kernel is not None:
        # The columns of a virtual group are one.
        values = ops.convert_to_numpy(kernel)
        kernel.assign(np.repeat(values[:, ::split], split, axis=1))
    x = rng.normal(size=(_TOKENS, input_dim)).astype("float32")
    weights = _weights_of_parts(router, x, split, rng)
    if not _is_constant(weights) and kernel is not None:
        kernel.assign(ops.convert_to_numpy(kernel) * _SMALL)
        weights = _weights_of_parts(router, x, split, rng)
    if not _is_constant(weights):
        what = "outputs of the experts" if split == 1 else f"{split} parts of each copy"
        raise ValueError(
            f"With a {type(router).__name__}, the {what} have weights from {weights.min():.3g} to "
            f"{weights.max():.3g}, which differ from token to token: the outputs cannot equal "
            "those of the dense model. Use router={'type': 'top_k', ...}"
            + ("." if split == 1 else ", with a k that is a multiple of `split`, and no groups.")
        )
    return float(weights.mean(dtype="float64"))


def _weights_of_parts(
    router: Router, x: np.ndarray, split: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns the weight of each part for some tokens, `[N, split]`."""
    given = {}
    if router.takes_token_ids:
        given["token_ids"] = rng.integers(0, 2**15, len(x)).astype("int32")
    routing = router(x, training=False, **router.call_arguments(x, **given))
    index, weight, is_open = (
        ops.convert_to_numpy(routing[key]) for key in ("expert_index", "weight", "is_open")
    )
    weights = np.zeros((len(x), router.num_experts), "float32")
    rows = np.broadcast_to(np.arange(len(x))[:, None], index.shape)
    np.add.at(weights, (rows[is_open], index[is_open]), weight[is_open])
    return weights.reshape((len(x), -1, split)).sum(axis=1)


def _is_constant(weights: np.ndarray) -> bool:
    return bool(weights.min() > 0 and np.ptp(weights) <= _TOLERANCE * weights.max())
