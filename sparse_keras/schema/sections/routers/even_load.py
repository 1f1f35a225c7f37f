"""`model.router`: the load of the experts is even by construction, without a balance loss."""

from typing import Literal

from pydantic import Field

from sparse_keras.schema.core.section import Count, Fraction, NotNegative, Positive
from sparse_keras.schema.sections.routers.base import IMPORTANCE, JITTER, LearnedRouter


class ExpertChoiceRouter(LearnedRouter):
    """Each expert picks the rows of a batch that score highest with it: the load is always even."""

    type: Literal["expert_choice"] = Field(
        "expert_choice", description="Each expert picks its rows among those of a batch."
    )
    capacity_factor: Positive = Field(2.0, description="Experts that see a row, on average.")
    threshold_decay: Fraction | None = Field(
        None,
        description="What one step keeps of the averaged thresholds by which a row finds its "
        "experts outside training. Null: experts pick there too, so that the prediction of a row "
        "depends on the rows beside it.",
    )
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def unused(self):
        # A frozen router remembers no thresholds.
        if self.trainable or self.threshold_decay is None:
            return {}
        return {"threshold_decay": "trainable is false"}


class SinkhornRouter(LearnedRouter):
    """Each row goes to k experts, chosen in training so that experts get nearly the same load."""

    type: Literal["sinkhorn"] = Field(
        "sinkhorn", description="The k best, made even over a batch in training (S-BASE)."
    )
    k: Count = Field(2, description="Experts that see each row.")
    temperature: Positive = Field(
        0.3,
        description="What logits are divided by before they are balanced. A lower one makes the "
        "load more even, and takes more iterations.",
    )
    iterations: Count = Field(
        20, description="How often the shares of rows and of experts are scaled in turn."
    )
    normalize: bool = Field(
        True, description="Whether the weights of k above 1 are divided by their sum."
    )
    jitter: Fraction = Field(0.0, description=JITTER)
    importance_loss: NotNegative = Field(0.0, description=IMPORTANCE)

    def unused(self):
        return {"normalize": "k is 1, and a sigmoid the weight"} if self.k == 1 else {}


class BalancedRouter(LearnedRouter):
    """Rows are dealt to the experts in turn, whatever they hold: the load is exactly even."""

    type: Literal["balanced"] = Field(
        "balanced", description="Experts in turn, for experiments: an even load without choice."
    )
    k: Count = Field(2, description="Experts that see each row.")
    equal_weights: bool = Field(
        False,
        description="Whether each weight is 1/k. False: the router learns the weights of the "
        "experts that a row was dealt.",
    )
    shuffle: bool = Field(
        False,
        description="Whether rows and experts are dealt in a random order at each step of "
        "training. Outside training, and if false, it is the order of the batch.",
    )

    def unused(self):
        return {"trainable": "equal_weights is true"} if self.equal_weights else {}
