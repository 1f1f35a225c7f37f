"""Holds out rows for testing or validation: seeded, and stratified for classification."""

import numpy as np


def hold_out(frame, target, fraction, seed, name="fraction"):
    """Splits a table in two.

    For "binary" and "multiclass" targets each class gives the same fraction of its rows, and
    keeps at least one.

    Args:
        frame: A DataFrame.
        target: The `Target` to stratify by.
        fraction: Part of the rows to hold out, between 0 and 1.
        seed: Integer; the same seed holds out the same rows.
        name: What an error calls `fraction`.

    Returns:
        `(kept, held_out)`, two DataFrames whose rows keep their order.
    """
    stratify = target.task in ("binary", "multiclass")
    classes = target.encode(frame) if stratify else np.zeros(len(frame))
    held = held_out_rows(classes, fraction, seed)
    if not held.any() or held.all():
        raise ValueError(
            f"{name}: {fraction} of {len(frame)} rows leaves {int(held.sum())} rows held out and "
            f"{int((~held).sum())} to train on. Both need at least one."
        )
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def held_out_rows(classes, fraction, seed):
    """Returns a bool array `[N]` that marks the rows held out, given the class of each row."""
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
