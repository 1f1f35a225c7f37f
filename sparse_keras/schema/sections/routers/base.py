"""What the sections of routers share."""

from pydantic import Field

from sparse_keras.schema.core.section import Section

# Descriptions of keys that several routers have.
BALANCE = "Weight of the balance loss, which is 1 if all experts have the same "
"load, and larger otherwise."
Z_LOSS = "Weight of the z-loss, which keeps the router's logits small."
IMPORTANCE = "Weight of the importance loss, which is 1 if all experts have the "
"same sum of weights."
MEAN_ENTROPY = (
    "Weight of the loss on the mean distribution over experts, which is 1 "
    "if it is uniform, and larger the lower its entropy."
)
TOKEN_ENTROPY = (
    "Weight of the mean entropy of a row's scores, from 0 (certain) to 1 "
    "(uniform). Without a loss that balances, it drives all rows to one expert."
)
JITTER = "Half-width of the random factor around 1 that multiplies the router's "
"input in training."


class LearnedRouter(Section):
    trainable: bool = Field(
        True,
        description="Whether the router is trained. False: it keeps its random initial "
        "weights, to measure what learned routing is worth.",
    )
