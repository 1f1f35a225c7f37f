"""`training.task_weights`: how much each of several targets counts in the loss."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import BrokenRules, NotNegative, Positive, Section, Text


class FixedWeights(Section):
    """Fixed factors of the targets' losses."""

    type: Literal["fixed"] = Field("fixed", description="Given in the config.")
    weights: dict[Text, NotNegative] = Field(
        description="Factor of each target's loss; 1 for targets that are not listed."
    )

    def rules(self) -> BrokenRules:
        if not self.weights:
            yield "weights", "is empty; give at least one target a weight"


class UncertaintyWeights(Section):
    """Learned with the model, from the noise of each target (Kendall et al., 2018)."""

    type: Literal["uncertainty"] = Field(
        "uncertainty", description="Learned: uncertain targets count less."
    )


class GradNormWeights(Section):
    """Learned so that all targets train at a similar rate (Chen et al., 2018); on TensorFlow."""

    type: Literal["gradnorm"] = Field(
        "gradnorm", description="Learned: the gradients of all targets get similar norms."
    )
    alpha: NotNegative = Field(
        1.5, description="How strongly targets that train slowly are favoured. 0: equal norms."
    )
    learning_rate: Positive = Field(0.025, description="Learning rate of the weights.")


TASK_WEIGHTS = Choice("task weights", FixedWeights, UncertaintyWeights, GradNormWeights)
TaskWeightsConfig = Annotated[Section, TASK_WEIGHTS]
