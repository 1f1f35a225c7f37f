"""`optimizer`: a Keras optimizer, with the defaults of Keras."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import (
    BetweenZeroAndOne,
    BrokenRules,
    Fraction,
    NotNegative,
    Positive,
    Section,
)

if TYPE_CHECKING:
    from sparse_keras.schema.config import Config


class Cosine(Section):
    """Cosine decay of the learning rate, after a linear warmup."""

    type: Literal["cosine"] = Field("cosine", description="Cosine decay.")
    warmup_epochs: NotNegative = Field(0.0, description="Number of epochs of linear warmup from 0.")
    final_fraction: Fraction = Field(
        0.0, description="Final learning rate, as a fraction of the initial one."
    )

    def rules_with(self, config: "Config") -> BrokenRules:
        training = config.training
        # How many epochs some steps are is known once there are data.
        if training.steps is None and self.warmup_epochs >= training.epochs:
            yield (
                "optimizer.schedule.warmup_epochs",
                f"{self.warmup_epochs:g} leaves nothing of training.epochs, which is "
                f"{training.epochs}",
            )


class Linear(Section):
    """Linear decay of the learning rate."""

    type: Literal["linear"] = Field("linear", description="Linear decay.")
    final_fraction: Fraction = Field(
        0.0, description="Final learning rate, as a fraction of the initial one."
    )


class Exponential(Section):
    """Exponential decay of the learning rate, step by step."""

    type: Literal["exponential"] = Field("exponential", description="Exponential decay.")
    factor: BetweenZeroAndOne = Field(
        0.9, description="Factor that multiplies the learning rate per epoch."
    )


SCHEDULES = Choice("schedule", Cosine, Linear, Exponential)
ScheduleConfig = Annotated[Section, SCHEDULES]


class _Optimizer(Section):
    learning_rate: Positive = Field(0.001, description="Learning rate.")
    schedule: ScheduleConfig | None = Field(
        None,
        description="How the learning rate decays, step by step, until training.epochs or "
        "training.steps are over. Null: it is constant.",
    )
    clipnorm: Positive | None = Field(
        None,
        description="Maximum norm of the gradient of each weight; longer gradients are "
        "scaled down. Null: no limit.",
    )
    fused: bool = Field(
        False,
        description="Whether to compile the optimizer update with XLA (TensorFlow only): "
        "faster for many experts and long trainings.",
    )


class Adam(_Optimizer):
    """`keras.optimizers.Adam`."""

    type: Literal["adam"] = Field("adam", description="Adam.")


class AdamW(_Optimizer):
    """`keras.optimizers.AdamW`."""

    type: Literal["adamw"] = Field("adamw", description="Adam with decoupled weight decay.")
    weight_decay: NotNegative = Field(
        0.004,
        description="Fraction of each weight that is subtracted per step, times the learning rate.",
    )


class SGD(_Optimizer):
    """`keras.optimizers.SGD`."""

    type: Literal["sgd"] = Field("sgd", description="Stochastic gradient descent.")
    learning_rate: Positive = Field(0.01, description="Learning rate.")
    momentum: Fraction = Field(
        0.0, description="Fraction of the previous step that is added to the next one."
    )
    nesterov: bool = Field(False, description="Whether to use Nesterov momentum.")

    def unused(self) -> dict[str, str]:
        return {"nesterov": "momentum is 0"} if self.momentum == 0 else {}


class RMSprop(_Optimizer):
    """`keras.optimizers.RMSprop`."""

    type: Literal["rmsprop"] = Field("rmsprop", description="RMSprop.")


OPTIMIZERS = Choice("optimizer", Adam, AdamW, SGD, RMSprop)
OptimizerConfig = Annotated[Section, OPTIMIZERS]
