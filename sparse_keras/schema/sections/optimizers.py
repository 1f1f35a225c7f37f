"""`optimizer`: a Keras optimizer, with the defaults of Keras."""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sparse_keras.schema.core.choice import Choice
from sparse_keras.schema.core.section import (
    BetweenZeroAndOne,
    BrokenRules,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Section,
)

if TYPE_CHECKING:
    from sparse_keras.schema.config import Config


class Cosine(Section):
    """Cosine decay of the learning rate, after a linear warmup."""

    ADDED = ("warmup_steps",)

    type: Literal["cosine"] = Field("cosine", description="Cosine decay.")
    warmup_epochs: NotNegative = Field(0.0, description="Number of epochs of linear warmup from 0.")
    warmup_steps: Count | None = Field(
        None, description="Number of steps of linear warmup from 0. Null: warmup_epochs count."
    )
    final_fraction: Fraction = Field(
        0.0, description="Final learning rate, as a fraction of the initial one."
    )

    def rules(self) -> BrokenRules:
        if self.warmup_epochs and self.warmup_steps is not None:
            yield "warmup_steps", "give one of warmup_epochs and warmup_steps"

    def rules_with(self, config: "Config") -> BrokenRules:
        training = config.training
        if self.warmup_steps is not None and self.warmup_steps >= (training.steps or math.inf):
            yield (
                "optimizer.schedule.warmup_steps",
                f"{self.warmup_steps} leaves nothing of training.steps, which is {training.steps}",
            )
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
    ADDED = ("global_clipnorm", "gradient_accumulation_steps")

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
    global_clipnorm: Positive | None = Field(
        None,
        description="Maximum norm of the gradients of all weights together; longer ones are "
        "scaled down. Null: no limit.",
    )
    gradient_accumulation_steps: Annotated[int, Field(ge=2, le=2**31 - 1)] | None = Field(
        None,
        description="Number of steps whose gradients are averaged to one update: as with a batch "
        "so many times larger, in less memory. Steps still count batches. Null: each step updates.",
    )
    fused: bool = Field(
        False,
        description="Whether to compile the optimizer update with XLA (TensorFlow only): "
        "faster for many experts and long trainings.",
    )

    def rules(self) -> BrokenRules:
        yield from super().rules()
        if self.clipnorm is not None and self.global_clipnorm is not None:
            yield "global_clipnorm", "give one of clipnorm and global_clipnorm"


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
