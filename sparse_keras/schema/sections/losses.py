"""`training.loss`: what is minimised, beside the routers' own losses."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import Fraction, NotNegative, Positive, Section, Text


class CrossEntropy(Section):
    """Cross-entropy of classes or labels."""

    type: Literal["cross_entropy"] = Field("cross_entropy", description="For classes and labels.")
    label_smoothing: Fraction = Field(
        0.0, description="Part of each target that is spread evenly over the classes."
    )


class Focal(Section):
    """Cross-entropy with less weight on what is easy: for rare classes and labels."""

    type: Literal["focal"] = Field("focal", description="For rare classes and labels.")
    gamma: NotNegative = Field(2.0, description="Power with which what is easy loses weight.")


class MeanSquaredError(Section):
    """Mean of the squared errors."""

    type: Literal["mean_squared_error"] = Field("mean_squared_error", description="For numbers.")


class MeanAbsoluteError(Section):
    """Mean of the errors without sign: aims at the median."""

    type: Literal["mean_absolute_error"] = Field(
        "mean_absolute_error", description="For numbers; aims at the median."
    )


class Huber(Section):
    """Squared where errors are small, linear where they are large."""

    type: Literal["huber"] = Field("huber", description="For numbers with outliers.")
    delta: Positive = Field(
        1.0, description="Where an error becomes large, in standard deviations of the target."
    )


LOSSES = Choice("loss", CrossEntropy, Focal, MeanSquaredError, MeanAbsoluteError, Huber)
LossConfig = Annotated[Section, LOSSES]

# Of pydantic's locations, beside the keys of the config; see `explain.py`.
ONE, EACH = "<one loss>", "<a loss for each target>"


def _one_or_each(value):
    if isinstance(value, dict) and "type" not in value:
        # A loss whose type was forgotten has other values.
        if all(isinstance(one, (dict, Section)) for one in value.values()):
            return EACH
    return ONE


LossesConfig = Annotated[
    Annotated[LossConfig, Tag(ONE)] | Annotated[dict[Text, LossConfig], Tag(EACH)],
    Discriminator(_one_or_each),
]
