"""Auxiliary losses of routers.

All are computed in float32 over the tokens that are not padding, for one layer: pooled over layers,
opposite imbalances would cancel. They are not weighted here; the weights are arguments of the
routers.

The losses that push towards balance are 1.0 at perfect balance: `load_balance_loss` (over the
batch), `sequence_balance_loss` (within each sequence), `importance_loss`, `load_loss` and
`mean_entropy_loss`. `router_z_loss` keeps logits small, and `token_entropy_loss` makes each token's
choice more certain.
"""

from sparse_keras.losses.balance import (
    expert_load,
    importance_loss,
    load_balance_loss,
    load_loss,
    sequence_balance_loss,
)
from sparse_keras.losses.entropy import mean_entropy_loss, token_entropy, token_entropy_loss
from sparse_keras.losses.reductions import masked_mean, normalized, sum_by_expert, token_count
from sparse_keras.losses.z_loss import router_z_loss

__all__ = [
    "expert_load",
    "importance_loss",
    "load_balance_loss",
    "load_loss",
    "masked_mean",
    "mean_entropy_loss",
    "normalized",
    "router_z_loss",
    "sequence_balance_loss",
    "sum_by_expert",
    "token_count",
    "token_entropy",
    "token_entropy_loss",
]
