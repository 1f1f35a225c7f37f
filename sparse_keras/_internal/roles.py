"""The names of the roles that layers have in a model; `sparse_keras.tuning.roles` finds them."""

from typing import Literal, get_args

Role = Literal[
    "experts",
    "router",
    "attention",
    "feed_forward",
    "embeddings",
    "normalization",
    "head",
    "other",
]
ROLES: tuple[str, ...] = get_args(Role)
# Those of them that LoRA updates unless others are named.
LORA_ROLES = ("experts", "router", "attention")
