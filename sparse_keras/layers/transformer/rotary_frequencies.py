"""Frequencies of rotary positions: as they were proposed, and scaled for longer contexts.

Everything here is NumPy in float64: frequencies are constants of a model.
"""

import math
from typing import Any

import numpy as np

# The options that each type uses, and their defaults. `...` stands for what must be given.
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "linear": {"factor": ...},
    "llama3": {
        "factor": ...,
        "original_max_position_embeddings": ...,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
    "yarn": {
        "factor": ...,
        "original_max_position_embeddings": ...,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "truncate": True,
        "attention_factor": None,
        "mscale": None,
        "mscale_all_dim": None,
    },
}


def inverse_frequencies(
    rope_type: str, theta: float, dim: int, options: dict[str, Any]
) -> np.ndarray:
    """Returns the angle by which each pair of features turns from one position to the next.

    Args:
        rope_type: A key of `OPTIONS`.
        theta: Base of the frequencies.
        dim: Number of features that are rotated, even.
        options: A value for each of the type's options.

    Returns:
        Float64 `[dim / 2]`, falling from 1.
    """
    frequencies = theta ** (-np.arange(0, dim, 2, dtype="float64") / dim)
    if rope_type == "linear":
        return frequencies / options["factor"]
    if rope_type == "llama3":
        return _llama3(frequencies, **options)
    if rope_type == "yarn":
        return _yarn(frequencies, theta, dim, options)
    return frequencies


def _llama3(
    frequencies, factor, original_max_position_embeddings, low_freq_factor, high_freq_factor
):
    """Divides what turns less than `low_freq_factor` times within the original context by `factor`;
    keeps what turns more than `high_freq_factor` times; interpolates between the two.
    """
    turns = original_max_position_embeddings * frequencies / (2 * math.pi)
    share_kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor)
    share_kept = np.clip(share_kept, 0.0, 1.0)
    return frequencies * (share_kept + (1 - share_kept) / factor)


def _yarn(frequencies, theta, dim, options):
    """Like Llama 3's, but interpolates linearly in the number of the pair, between the pairs that
    turn `beta_fast` and `beta_slow` times within the original context.
    """

    def pair_that_turns(times):
        wavelength = options["original_max_position_embeddings"] / (times * 2 * math.pi)
        return dim * math.log(wavelength) / (2 * math.log(theta))

    first, last = pair_that_turns(options["beta_fast"]), pair_that_turns(options["beta_slow"])
    if options["truncate"]:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dim - 1)
    if first == last:
        last += 0.001  # A step instead of a ramp, without a division by zero.
    share_divided = np.clip((np.arange(dim // 2) - first) / (last - first), 0.0, 1.0)
    return frequencies * (1 - share_divided + share_divided / options["factor"])


def yarn_magnitude(factor: float, mscale: float = 1.0) -> float:
    """Returns YaRN's correction of the magnitude of attention, `0.1 * mscale * ln(factor) + 1`."""
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1.0


def yarn_attention_factor(options: dict[str, Any]) -> float:
    """Returns what YaRN multiplies cosines and sines by."""
    if options["attention_factor"] is not None:
        return options["attention_factor"]
    factor = options["factor"]
    if options["mscale"] is None:
        return yarn_magnitude(factor)
    return yarn_magnitude(factor, options["mscale"]) / yarn_magnitude(
        factor, options["mscale_all_dim"]
    )
