"""What a mixture of experts remembers of its routing: one vector of running sums.

It lives in one non-trainable weight of the layer. (A `keras.metrics` object updated in `call` would
crash `fit` on JAX.) `callbacks.ExpertLoad` resets and reads it.
"""

import numpy as np
from keras import ops

LOSSES = (
    "balance_loss",
    "z_loss",
    "importance_loss",
    "sparsity_loss",
    "entropy_loss",
    "sequence_balance_loss",
    "load_loss",
    "mean_entropy_loss",
    "token_entropy_loss",
)

# The running sums that come after the load of each expert.
SUMS = (
    "tokens",  # that are not padding
    "kept",  # open assignments that were not dropped
    "entropy",  # of a token's normalised scores, in nats, summed over tokens
    "calls",  # of the layer, one in each step unless it is shared
    "examples",  # batch sizes: Keras weighs the losses of batches by them
    "aux_loss",  # weighted and summed over losses, times the batch size
    *LOSSES,  # each unweighted, times the batch size
)


def width(num_experts):
    """Length of the vector."""
    return num_experts + len(SUMS)


def vector(load, sums):
    """One step's contribution.

    Args:
        load: Float32 `[E]`, open assignments of each expert before any is dropped.
        sums: Dict with scalars for the names in `SUMS`; a missing one counts as 0.
    """
    tail = [ops.cast(sums.get(name, 0.0), "float32") for name in SUMS]
    return ops.concatenate([load, ops.stack(tail)])


def summarize(values):
    """Reads the vector.

    Args:
        values: NumPy array, the layer's `statistics`.

    Returns:
        A dict:

        * `"load"`: `[E]`, each expert's share of all assignments; sums to 1.
        * `"assigned"`: assignments recorded; `"kept"`: those of them that were not dropped.
        * `"load_violation"`: largest load over mean load, minus 1. 0 is perfect balance.
        * `"dead"`: experts that got nothing.
        * `"dropped"`: share of assignments dropped for want of capacity.
        * `"experts_per_token"`: mean number of open experts.
        * `"entropy"`: mean entropy of a token's scores over that of a uniform choice, in [0, 1].
        * `"calls"`: calls of the layer.
        * `"aux_loss"`: mean over calls of the weighted auxiliary loss, as it entered the loss.
        * `"balance_loss"`, ...: mean of each auxiliary loss, unweighted.

        Ratios are NaN, and counts 0, when nothing was recorded.
    """
    num_experts = len(values) - len(SUMS)
    load = np.asarray(values[:num_experts], "float64")
    sums = dict(zip(SUMS, np.asarray(values[num_experts:], "float64"), strict=True))
    assigned = load.sum()

    def ratio(a, b):
        return a / b if b > 0 else np.nan

    share = load / assigned if assigned > 0 else np.full(num_experts, np.nan)
    uniform_entropy = np.log(max(num_experts, 2))  # One expert: entropy 0, not 0 / 0.
    return {
        "load": share,
        "assigned": float(assigned),
        "kept": float(sums["kept"]),
        "calls": float(sums["calls"]),
        "load_violation": float(share.max() * num_experts - 1),
        "dead": int((load == 0).sum()) if assigned > 0 else 0,
        "dropped": ratio(assigned - sums["kept"], assigned),
        "experts_per_token": ratio(assigned, sums["tokens"]),
        "entropy": ratio(sums["entropy"], sums["tokens"] * uniform_entropy),
        "aux_loss": ratio(sums["aux_loss"], sums["examples"]),
        **{name: ratio(sums[name], sums["examples"]) for name in LOSSES},
    }
