"""Rotary positions in NumPy, float64, one pair of features at a time."""

import math

import numpy as np


def frequency(pair, dim, theta=10000.0, rope_type="default", **options):
    """The angle per position of one pair, from the papers' formulas of wavelengths."""
    frequency = 1.0 / theta ** (2 * pair / dim)
    wavelength = 2 * math.pi / frequency
    factor = options.get("factor")
    if rope_type == "linear":
        return frequency / factor
    if rope_type == "llama3":
        low, high = options.get("low_freq_factor", 1.0), options.get("high_freq_factor", 4.0)
        context = options["original_max_position_embeddings"]
        if wavelength < context / high:
            return frequency
        if wavelength > context / low:
            return frequency / factor
        smooth = (context / wavelength - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
    if rope_type == "yarn":
        context = options["original_max_position_embeddings"]
        ends = []
        for rotations in (options.get("beta_fast", 32.0), options.get("beta_slow", 1.0)):
            ends += [dim * math.log(context / (rotations * 2 * math.pi)) / (2 * math.log(theta))]
        if options.get("truncate", True):
            ends = [math.floor(ends[0]), math.ceil(ends[1])]
        low, high = max(ends[0], 0), min(ends[1], dim - 1)
        ramp = min(max((pair - low) / (high - low if high != low else 0.001), 0), 1)
        return frequency / factor * ramp + frequency * (1 - ramp)
    return frequency


def magnitude(rope_type="default", **options):
    """What cosines and sines are multiplied by."""
    if rope_type != "yarn":
        return 1.0
    if "attention_factor" in options:
        return options["attention_factor"]
    log = math.log(options["factor"])
    if "mscale" in options:
        return (0.1 * options["mscale"] * log + 1) / (0.1 * options["mscale_all_dim"] * log + 1)
    return 0.1 * log + 1


def rotate(x, positions, partial_rotary_factor=1.0, interleaved=False, **options):
    """Rotates `[B, T, heads, head_dim]`, for positions `[B, T]`."""
    y = np.array(x, "float64")
    dim = int(x.shape[-1] * partial_rotary_factor)
    for b, t in np.ndindex(*x.shape[:2]):
        for pair in range(dim // 2):
            one, two = (2 * pair, 2 * pair + 1) if interleaved else (pair, pair + dim // 2)
            angle = positions[b, t] * frequency(pair, dim, **options)
            cos, sin = math.cos(angle), math.sin(angle)
            m = magnitude(**{k: v for k, v in options.items() if k != "theta"})
            y[b, t, :, one] = m * (x[b, t, :, one] * cos - x[b, t, :, two] * sin)
            y[b, t, :, two] = m * (x[b, t, :, two] * cos + x[b, t, :, one] * sin)
    return y
