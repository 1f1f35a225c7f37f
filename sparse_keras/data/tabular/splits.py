"""Holds out rows at random for testing or validation: seeded, stratified for classification.

`split_rows.py` splits by a column, by group or by time.
"""

import numpy as np

from sparse_keras.data.held_out import held_out_rows
from sparse_keras.data.tabular.csr import SparseTable

_CLASSES = ("binary", "multiclass")


def hold_out(frame, target, fraction, seed, name="fraction"):
    """Splits a table in two.

    For "binary" and "multiclass" targets, the same fraction of each class is held out, and at least
    one row of it stays. For several targets, this holds for each combination of classes, where a
    missing label counts as a class; combinations with too few rows are merged.

    Args:
        frame: A DataFrame or a `SparseTable`.
        target: The `Target` or `MultiTarget` to stratify by.
        fraction: Part of the rows to hold out, between 0 and 1.
        seed: Integer; the same seed holds out the same rows.
        name: What an error calls `fraction`.

    Returns:
        `(rest, held_out)`, two tables with their rows in the original order.
    """
    sparse = isinstance(frame, SparseTable)
    strata = strata_of(frame.targets if sparse else frame, target, fraction)
    held = held_out_rows(strata, fraction, seed)
    if not held.any() or held.all():
        raise ValueError(
            f"{name}: {fraction} of {len(frame)} rows leaves {int(held.sum())} rows held out and "
            f"{int((~held).sum())} to train on. Both need at least one."
        )
    if sparse:
        return frame[~held], frame[held]
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def strata_of(frame, target, fraction):
    """Returns the groups of rows that give the same fraction each, as numbers `[N]`.

    Args:
        frame: DataFrame with the target.
        target: The `Target` or `MultiTarget`.
        fraction: Part of the rows to hold out: with several targets, groups of which this would be
            less than a row are merged.
    """
    if target.task in _CLASSES:
        return target.encode(frame)
    if target.task != "multitask":
        return np.zeros(len(frame))
    present = target.present(frame)
    # What is encoded is 0 where a label is missing, and so is every number.
    labels = [np.where(present[one.name], 0, -1) for one in target.targets]
    encoded = target.encode(frame)
    labels += [encoded[one.name].astype(int) for one in target.targets if one.task in _CLASSES]
    _, group, sizes = np.unique(
        np.stack(labels, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    group = group.reshape(-1)
    return np.where(sizes[group] * fraction < 1, -1, group)
