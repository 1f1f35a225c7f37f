"""Auxiliary losses of routers."""

from sparse_keras.losses.routing import (
    expert_load,
    importance_loss,
    load_balance_loss,
    load_loss,
    masked_mean,
    mean_entropy_loss,
    normalized,
    router_z_loss,
    sequence_balance_loss,
    sum_by_expert,
    token_count,
    token_entropy,
    token_entropy_loss,
)

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
