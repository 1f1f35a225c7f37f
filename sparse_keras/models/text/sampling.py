"""The next token, from logits: the most likely one, or drawn.

Numbers are drawn without a state: each is computed from the seed of its row and the position of the
token in its text. So a text does not depend on the texts beside it.
"""

from typing import NamedTuple

from keras import ops

from sparse_keras._internal.typing import Tensor


class Sampling(NamedTuple):
    """How tokens are drawn. All are tensors: a change of their values compiles nothing anew.

    Args:
        temperature: Float scalar; 0 for the most likely token.
        top_k: Int scalar: only the k most likely tokens are drawn. V for all.
        top_p: Float scalar: of these, only the most likely ones that have this probability
            together. 1 for all.
        seeds: Int32 `[B]`.
    """

    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    seeds: Tensor


def next_tokens(logits: Tensor, sampling: Sampling, positions: Tensor) -> Tensor:
    """Chooses a token for each row.

    Args:
        logits: Float32 `[B, V]`.
        sampling: See above.
        positions: Int32 `[B]`, those of the new tokens.

    Returns:
        Int32 `[B]`.
    """

    def most_likely():
        return ops.cast(ops.argmax(logits, axis=-1), "int32")

    def drawn():
        weights = _weights(logits, sampling)
        return _draw(weights, uniform(sampling.seeds, positions))

    return ops.cond(sampling.temperature > 0, drawn, most_likely)


def _weights(logits, sampling):
    """Probabilities of tokens, but for a factor of each row; 0 for those that are left out."""
    largest = ops.max(logits, axis=-1, keepdims=True)
    weights = ops.exp((logits - largest) / sampling.temperature)
    vocabulary = logits.shape[-1]

    def limited():
        ordered = -ops.sort(-weights, axis=-1)
        among_k = ops.arange(vocabulary, dtype="int32")[None] < sampling.top_k
        share = ops.where(among_k, ordered, 0.0)
        share = share / ops.sum(share, axis=-1, keepdims=True)
        before = ops.cumsum(share, axis=-1) - share
        kept = ops.logical_and(among_k, before < sampling.top_p)
        least = ops.min(ops.where(kept, ordered, float("inf")), axis=-1, keepdims=True)
        return ops.where(weights >= least, weights, 0.0)

    is_limited = ops.logical_or(sampling.top_k < vocabulary, sampling.top_p < 1.0)
    return ops.cond(is_limited, limited, lambda: weights)


def _draw(weights, numbers):
    """Index of the first token at which the sum of the weights so far reaches a share of them."""
    reached = ops.cumsum(weights, axis=-1)
    target = numbers[:, None] * ops.max(reached, axis=-1, keepdims=True)
    possible = ops.logical_and(reached >= target, weights > 0)
    return ops.cast(ops.argmax(ops.cast(possible, "int32"), axis=-1), "int32")


def uniform(seeds: Tensor, positions: Tensor) -> Tensor:
    """Numbers between 0 and 1, neither included, each computed from a seed and a position.

    Args:
        seeds: Int32 `[B]`.
        positions: Int32 `[B]`.

    Returns:
        Float32 `[B]`.
    """
    bits = _hashed(ops.bitwise_xor(seeds, _hashed(positions + 1)))
    bits = _shifted(bits, 9)  # 23 bits: float32 holds them, and one half more, exactly.
    return (ops.cast(bits, "float32") + 0.5) / 2.0**23


def _hashed(x):
    """Mixes the bits of int32 numbers, such that equal inputs alone have equal outputs.

    Reference:
        [Hash Prospector](https://github.com/skeeto/hash-prospector), `lowbias32`.
    """
    x = ops.bitwise_xor(x, _shifted(x, 16)) * 0x7FEB352D
    x = ops.bitwise_xor(x, _shifted(x, 15)) * (0x846CA68B - 2**32)  # As a signed number.
    return ops.bitwise_xor(x, _shifted(x, 16))


def _shifted(x, by):
    """Shifts to the right, with zeros from the left."""
    return ops.bitwise_and(ops.right_shift(x, by), (1 << (32 - by)) - 1)
