"""The names of the roles that layers have in a model; `sparse_keras.tuning.roles` finds them."""

ROLES = (
    "experts",
    "router",
    "attention",
    "feed_forward",
    "embeddings",
    "normalization",
    "head",
    "other",
)
# Those of them that LoRA updates unless others are named.
LORA_ROLES = ("experts", "router", "attention")
