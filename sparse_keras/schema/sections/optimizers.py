"""`optimizer`: the Keras optimizer. Defaults are those of Keras."""

from typing import Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import (
    BetweenZeroAndOne,
    Fraction,
    NotNegative,
    Positive,
    Section,
)


class Cosine(Section):
    """Half a cosine from the learning rate down, after a linear rise from 0."""

    type: Literal["cosine"] = Field("cosine", description="Half a cosine down.")
    warmup_epochs: NotNegative = Field(0.0, description="Epochs of the linear rise from 0.")
    final_fraction: Fraction = Field(0.0, description="What is left of the learning rate at last.")

    def rules_with(self, config):
        if self.warmup_epochs >= config.training.epochs:
            yield (
                "optimizer.schedule.warmup_epochs",
                f"{self.warmup_epochs:g} leaves nothing of training.epochs, which is "
                f"{config.training.epochs}",
            )


class Linear(Section):
    """A straight line from the learning rate down."""

    type: Literal["linear"] = Field("linear", description="A straight line down.")
    final_fraction: Fraction = Field(0.0, description="What is left of the learning rate at last.")


class Exponential(Section):
    """The learning rate times a power of the epoch."""

    type: Literal["exponential"] = Field("exponential", description="A factor for each epoch.")
    factor: BetweenZeroAndOne = Field(0.9, description="Factor of one epoch.")


SCHEDULES = Choice("schedule", Cosine, Linear, Exponential)
ScheduleConfig = Annotated[Section, SCHEDULES]


class _Optimizer(Section):
    learning_rate: Positive = Field(0.001, description="Step size.")
    schedule: ScheduleConfig | None = Field(
        None,
        description="How the learning rate falls, step by step, until training.epochs are over. "
        "Null: it stays.",
    )
    clipnorm: Positive | None = Field(
        None, description="Longest gradient of each weight; longer ones are cut. Null: no limit."
    )
    fused: bool = Field(
        False,
        description="Whether XLA compiles the update for itself (TensorFlow): faster where there "
        "are many experts and long trainings.",
    )


class Adam(_Optimizer):
    """`keras.optimizers.Adam`."""

    type: Literal["adam"] = Field("adam", description="Adam.")


class AdamW(_Optimizer):
    """`keras.optimizers.AdamW`."""

    type: Literal["adamw"] = Field("adamw", description="Adam with decoupled weight decay.")
    weight_decay: NotNegative = Field(
        0.004, description="Part of each weight taken off per unit of step."
    )


class SGD(_Optimizer):
    """`keras.optimizers.SGD`."""

    type: Literal["sgd"] = Field("sgd", description="Stochastic gradient descent.")
    learning_rate: Positive = Field(0.01, description="Step size.")
    momentum: Fraction = Field(0.0, description="Part of the last step that is kept.")
    nesterov: bool = Field(False, description="Whether the momentum looks ahead (Nesterov).")

    def unused(self):
        return {"nesterov": "momentum is 0"} if self.momentum == 0 else {}


class RMSprop(_Optimizer):
    """`keras.optimizers.RMSprop`."""

    type: Literal["rmsprop"] = Field("rmsprop", description="RMSprop.")


OPTIMIZERS = Choice("optimizer", Adam, AdamW, SGD, RMSprop)
OptimizerConfig = Annotated[Section, OPTIMIZERS]
