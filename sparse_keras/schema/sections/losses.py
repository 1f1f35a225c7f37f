"""`training.loss`: the loss to minimise, besides the losses that routers add."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import Fraction, NotNegative, Positive, Section, Text


class CrossEntropy(Section):
    """Cross-entropy of classes or labels."""

    type: Literal["cross_entropy"] = Field("cross_entropy", description="For classes and labels.")
    label_smoothing: Fraction = Field(
        0.0, description="Fraction of each target that is spread evenly over the classes."
    )


class Focal(Section):
    """Cross-entropy with less weight on easy examples: for rare classes and labels."""

    type: Literal["focal"] = Field("focal", description="For rare classes and labels.")
    gamma: NotNegative = Field(
        2.0, description="Exponent: the larger, the less weight easy examples have."
    )


class MeanSquaredError(Section):
    """Mean of the squared errors."""

    type: Literal["mean_squared_error"] = Field("mean_squared_error", description="For numbers.")


class MeanAbsoluteError(Section):
    """Mean of the absolute errors: predicts the median."""

    type: Literal["mean_absolute_error"] = Field(
        "mean_absolute_error", description="For numbers; predicts the median."
    )


class Huber(Section):
    """Quadratic for small errors, linear for large ones."""

    type: Literal["huber"] = Field("huber", description="For numbers with outliers.")
    delta: Positive = Field(
        1.0,
        description="Error above which the loss is linear, in standard deviations of the target.",
    )


LOSSES = Choice("loss", CrossEntropy, Focal, MeanSquaredError, MeanAbsoluteError, Huber)
LossConfig = Annotated[Section, LOSSES]

# Steps of pydantic's locations that are not keys of the config; see `explain.py`.
ONE, EACH = "<one loss>", "<a loss for each target>"


def _one_or_each(value):
    if isinstance(value, dict) and "type" not in value:
        # The values of a single loss without its `type` are numbers.
        if all(isinstance(loss, (dict, Section)) for loss in value.values()):
            return EACH
    return ONE


LossesConfig = Annotated[
    Annotated[LossConfig, Tag(ONE)] | Annotated[dict[Text, LossConfig], Tag(EACH)],
    Discriminator(_one_or_each),
]
