"""What the sections of routers share."""

from pydantic import Field

from sparse_keras.schema.core.section import Section

# Descriptions of keys that several routers have.
BALANCE = "Weight of the loss that is 1 when all experts get the same share and grows beyond."
Z_LOSS = "Weight of the loss that keeps the router's logits small."
IMPORTANCE = "Weight of the loss that is 1 when all experts have the same sum of weights."
MEAN_ENTROPY = (
    "Weight of the loss that is 1 when the mean distribution over experts is uniform, and grows as "
    "its entropy falls."
)
TOKEN_ENTROPY = (
    "Weight of the mean entropy of a row's scores, from 0 for a certain choice to 1. Alone it "
    "drives all rows to one expert."
)
JITTER = "Half width of the factor around 1 that noises the router's input in training."


class LearnedRouter(Section):
    trainable: bool = Field(
        True,
        description="Whether the router learns. False: it stays as drawn at random, to see what "
        "learning to route is worth.",
    )
