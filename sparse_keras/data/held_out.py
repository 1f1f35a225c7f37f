"""held_out_rows: which examples are held out at random, stratified by class."""

from typing import Any

import numpy as np


def held_out_rows(classes: Any, fraction: float, seed: int) -> np.ndarray:
    """Draws examples so that the same fraction of each class is held out.

    At least one example of each class stays.

    Args:
        classes: The class of each example, `[N]`.
        fraction: Part of the examples to hold out, between 0 and 1.
        seed: Integer; the same seed holds out the same examples.

    Returns:
        A bool array `[N]`, True for those held out.
    """
    _, class_of_row, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    quotas = np.minimum(np.floor(sizes * fraction).astype(int), sizes - 1)
    # Rounding down leaves some rows short of the fraction: the largest remainders give one more.
    remainders = np.where(quotas < sizes - 1, sizes * fraction - quotas, -1.0)
    short = round(len(classes) * fraction) - quotas.sum()
    givers = np.argsort(-remainders, kind="stable")[: max(short, 0)]
    quotas[givers[remainders[givers] >= 0]] += 1

    order = np.random.default_rng(seed).permutation(len(classes))
    by_class = order[np.argsort(class_of_row[order], kind="stable")]
    place_in_class = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held = np.zeros(len(classes), bool)
    held[by_class[place_in_class < np.repeat(quotas, sizes)]] = True
    return held
